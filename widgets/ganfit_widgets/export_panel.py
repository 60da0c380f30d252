"""Offers results as files. They are written on demand, and links save them from a local or remote notebook."""

from __future__ import annotations

import base64
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from io import BytesIO
from pathlib import Path

import ipywidgets as widgets

from ganfit_nb.errors import GanfitError
from ganfit_widgets.component import Component, button, error_line

TYPES = {".glb": "model/gltf-binary", ".json": "application/json", ".gif": "image/gif", ".zip": "application/zip"}
WORDS = {
    ".glb": "for the web and Blender",
    ".zip": "OBJ, MTL and PNG",
    ".json": "every number",
    ".gif": "the fit, moving",
}


class ExportPanel(Component):
    """A button that calls `write(directory)` in `worker`, and links to the files that this writes.

    `offers` gives the name of each link and its files. Several files become a zip archive.
    """

    def __init__(self, write: Callable[[Path], None], offers: Mapping[str, Sequence[str]], worker: Executor) -> None:
        self._write, self._offers, self._worker = write, offers, worker
        self.prepare = button("Export", "download", "Write the shown step to files and offer them here", self.export)
        self.links = widgets.HTML()
        row = widgets.HBox([self.prepare, self.links]).add_class("ganfit-row")
        super().__init__([row])

    def export(self) -> None:
        """Begins to write the files. The links appear when they are written."""
        self.prepare.disabled, self.links.value = True, "writing …"
        self.when_done(self._worker.submit(self._files), self._offer)

    def clear(self) -> None:
        """Removes the links, because they belong to another state."""
        self.links.value = ""

    def _files(self) -> dict[str, bytes]:
        """The content of every link. Called in the worker."""
        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory) / "export"
            self._write(folder)
            return {name: _content(folder, files) for name, files in self._offers.items()}

    def _offer(self, work: Future[dict[str, bytes]]) -> None:
        self.prepare.disabled = False
        try:
            self.links.value = " · ".join(_link(name, content) for name, content in work.result().items())
        except GanfitError as error:
            self.links.value = error_line(error)


def _content(folder: Path, files: Sequence[str]) -> bytes:
    if len(files) == 1:
        return (folder / files[0]).read_bytes()
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name in files:
            target.write(folder / name, name)
    return archive.getvalue()


def _link(name: str, content: bytes) -> str:
    suffix = Path(name).suffix
    data = base64.b64encode(content).decode()
    return (
        f'<a download="{name}" href="data:{TYPES[suffix]};base64,{data}">{name}</a> '
        f"({WORDS[suffix]}, {len(content) / 1e6:.1f} MB)"
    )
