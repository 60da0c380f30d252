"""An open notebook as a test sees it: run cells, press buttons, ask the kernel, look at pixels."""

from __future__ import annotations

import io
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from browser.servers import Server

WIDTH = 1000  # of the page, CSS pixels: what the components must work at
PATIENCE = 60_000  # milliseconds
# Known, harmless, and not ours to mend.
KNOWN_ERRORS = (
    "ERR_NAME_NOT_RESOLVED",  # Voila's page asks the internet for fonts and MathJax
    "RUNTIME-012",  # Voila meets the extension of Notebook 7, and needs it not
    "Could not restore the debugger state: Canceled",  # JupyterLab was still asking when the kernel was shut down
)
READY = """() => { const s = window.jupyterapp?.shell?.currentWidget?.context?.sessionContext;
    const k = s?.session?.kernel; return s?.isReady && k?.connectionStatus === 'connected' && k?.status === 'idle'; }"""
ASK = """async code => { const s = window.jupyterapp.shell.currentWidget.context.sessionContext;
    let text = ''; const future = s.session.kernel.requestExecute({code, store_history: false});
    future.onIOPub = m => { if (m.content.text) text += m.content.text;
                            if (m.content.traceback) text += m.content.traceback.join('\\n'); };
    await future.done; return text; }"""

PRESS = """async button => { const start = performance.now(); button.click();
    while (!button.disabled) await new Promise(next => setTimeout(next, 2));
    return performance.now() - start; }"""


class Opened:
    """A notebook in JupyterLab or Voila, and what the console complained of meanwhile."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.expected = list(KNOWN_ERRORS)
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self._hear(message.type, f"{message.text} {message.location['url']}"))
        page.on("pageerror", lambda error: self._hear("error", str(error)))

    def in_lab(self, server: Server, cells: Sequence[str]) -> Opened:
        """Opens a notebook of these code cells in JupyterLab and runs all of them."""
        return self._in_jupyter(server, "lab/tree", cells, "reset&")  # not the notebooks opened before

    def in_notebook7(self, server: Server, cells: Sequence[str]) -> Opened:
        """The same in Notebook 7, which JupyterLab's server shows too."""
        # It lacks the plugin whose news the server's settings turn off, a command of the file browser, and a font.
        self.expected += ["reading 'schema'", "'filebrowser:open-path' not registered", ".woff2"]
        return self._in_jupyter(server, "notebooks", cells)

    def in_voila(self, server: Server, cells: Sequence[str]) -> Opened:
        """Opens a notebook of these code cells in Voila, which runs it."""
        self._write(server, cells)
        self.page.goto(f"{server.url}/voila/render/{self.path.name}?token={server.token}")
        return self

    def _in_jupyter(self, server: Server, where: str, cells: Sequence[str], how: str = "") -> Opened:
        self._write(server, cells)
        self.page.goto(f"{server.url}/{where}/{self.path.name}?{how}token={server.token}")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        self.page.wait_for_function(READY)  # 'idle' in the status bar is there before the session is
        self.run_all()
        return self

    def _write(self, server: Server, cells: Sequence[str]) -> None:
        # A name of its own: a notebook of the same name would find the kernel of the one before it.
        self.path = server.root / f"{uuid.uuid4().hex}.ipynb"
        write_notebook(self.path, cells)

    def reload(self) -> None:
        """Saves the notebook and loads the page again; the kernel lives on (JupyterLab only)."""
        self.expected.append("widget model not found")  # JupyterLab draws outputs once before it has their models
        self.wait(self._saved)
        self.page.reload()
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        self.page.wait_for_function(READY)

    def _saved(self) -> bool:
        """Saves; whether the file has the widgets. JupyterLab's own command does nothing while it saves by itself."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
        return "widget-view" in self.path.read_text(encoding="utf-8")

    def run_all(self) -> None:
        """Runs every cell; does not wait for them."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def ask(self, code: str) -> str:
        """What a line of code prints in the notebook's kernel (JupyterLab only)."""
        return self.page.evaluate(ASK, code).strip()

    def wait(self, condition: Callable[[], bool], seconds: float = PATIENCE / 1000) -> None:
        """Until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            self.page.wait_for_timeout(50)

    def button(self, text: str, nth: int = 0) -> Locator:
        """The button with this text."""
        return self.page.locator(".jupyter-button", has_text=re.compile(rf"^\s*{text}\s*$")).nth(nth)

    def seconds_until_disabled(self, text: str) -> float:
        """Presses a button and waits in the page until the kernel has disabled it."""
        return self.button(text).evaluate(PRESS) / 1000

    def canvas(self, nth: int = 0) -> Locator:
        """A 3D view."""
        return self.page.locator(".ganfit-canvas canvas").nth(nth)

    def memory_mb(self) -> tuple[float, float]:
        """What the kernel's process and the page's scripts hold, after both have tidied up (JupyterLab only)."""
        kernel = float(self.ask("import gc, psutil; gc.collect(); print(psutil.Process().memory_info().rss / 2**20)"))
        devtools = self.page.context.new_cdp_session(self.page)
        devtools.send("HeapProfiler.collectGarbage")
        return kernel, devtools.send("Runtime.getHeapUsage")["usedSize"] / 2**20

    def pixels(self, what: Locator) -> np.ndarray:
        """What is seen there, (height, width, 3) bytes."""
        return np.asarray(Image.open(io.BytesIO(what.screenshot())).convert("RGB"))

    def unknown_errors(self) -> list[str]:
        """What the console complained of, less what was expected."""
        return [error for error in self.errors if not any(known in error for known in self.expected)]

    def shut_down(self) -> None:
        """Ends the notebook's kernel (Voila does so itself)."""
        self.page.evaluate("() => window.jupyterapp?.shell?.currentWidget?.context?.sessionContext.shutdown()")

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error":
            self.errors.append(text)


@contextmanager
def open_page(browser: Browser) -> Iterator[Opened]:
    """A new page; at the end its console must have been quiet."""
    context = browser.new_context(viewport={"width": WIDTH, "height": 900})
    opened = Opened(context.new_page())
    yield opened
    opened.shut_down()
    context.close()
    assert not opened.unknown_errors(), "\n".join(opened.unknown_errors())


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """A notebook of code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
