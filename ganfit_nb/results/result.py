"""What a finished (or interrupted) fit is judged by, and the folder it is written to."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.files.outputs import RESULT, complete_result, write_json
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.steps import FitStep
from ganfit_nb.networks.face_reidentification import DIFFERENT_PEOPLE, SAME_PERSON
from ganfit_nb.own_skin import OwnSkin, own_skin
from ganfit_nb.photos.faces_found import Choice, faces_found_sheet
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.export import as_lists, write_meshes, write_own_skin
from ganfit_nb.results.likeness import Likeness
from ganfit_nb.results.overlay import overlay
from ganfit_nb.results.report import report
from ganfit_nb.versions import versions


@dataclass(frozen=True)
class Result:
    """One photo, the model fitted to it and every step of the fit.

    `parts` names the model, network, detector and texture, `contents` tells what their files held, and `face` which of
    the photo's faces was chosen (`Recipe`).
    """

    photo: Photo
    model: FaceModel
    config: FitConfig
    steps: Sequence[FitStep]
    interrupted: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)
    face: Choice | None = None

    @property
    def final(self) -> FitStep:
        """The last step."""
        return self.steps[-1]

    def landmarks(self) -> torch.Tensor:
        """(68, 2) projected landmarks in pixels of the aligned photo."""
        parameters = self.final.parameters
        return self.model.landmarks(self.model.vertices(parameters), parameters.camera, self.photo.size)

    def landmark_error(self) -> float:
        """Of the last step, in distances of the outer eye corners."""
        return self.photo.landmark_error(self.landmarks())

    def identity_distance(self) -> float:
        """`Likeness.distance` of photo and rendering."""
        return Likeness(self.photo).distance(self._rendering, self.landmarks())

    def identity_similarity(self) -> float | None:
        """`Likeness.similarity` of photo and rendering."""
        return Likeness(self.photo).similarity(self._rendering)

    @cached_property
    def _rendering(self) -> torch.Tensor:
        """(S, S, 3) the fitted face, as the photo shows it."""
        with torch.no_grad():
            return self.model.render(self.final.parameters, self.photo.size).image

    def record(self) -> dict[str, Any]:
        """The content of fit.json."""
        terms = sorted({name for step in self.steps for name in step.losses})
        return {
            "photo": Path(self.photo.source).name,
            "interrupted": self.interrupted,
            "identity_distance": self.identity_distance(),
            "identity_similarity": self.identity_similarity(),
            "identity_similarity_usual": {"same_person": SAME_PERSON, "different_people": DIFFERENT_PEOPLE},
            "landmark_error": self.landmark_error(),
            "seconds": self.final.seconds,
            "peak_memory_mb": peak_memory_mb(),
            "steps": self.final.index if self.final.stage == "joint" else 0,
            "size": self.config.size,
            "seed": self.config.seed,
            "device": self.config.device,
            "informed_prior": self.config.informed_prior,
            "consistency": self.config.consistency,
            "occlusion": self.config.occlusion,
            "face": self.face,
            "parts": dict(self.parts),
            "contents": dict(self.contents),
            "notes": list(self.photo.notes),
            "parameters": as_lists(self.final.parameters),
            "losses": {name: [step.losses.get(name) for step in self.steps] for name in terms},
            "stages": [step.stage for step in self.steps],
            "weights": self.final.weights,
            "landmarks": self.landmarks().tolist(),
            "aligned_to_photo": self.photo.to_original.tolist(),
            "versions": versions(),
        }

    def summary(self, directory: Path) -> str:
        """What was reached, in three lines."""
        state = "interrupted" if self.interrupted else "done"
        similarity = self.identity_similarity()
        return (
            f"{directory}: {state} after {self.final.seconds:.0f} s, identity distance {self.identity_distance():.2f} "
            f"(same person below 0.6), landmark error {self.landmark_error():.3f} of the eye distance.\n"
            "Cosine similarity of photo and rendering to a judge that no fit has seen: "
            f"{'no face was found' if similarity is None else f'{similarity:.2f}'} "
            f"(photos of one person {SAME_PERSON:.2f}, of different people {DIFFERENT_PEOPLE:.2f}).\n"
            f"Look at {directory / 'report.html'} in a browser; open {directory / 'mesh.obj'} or mesh.glb in Blender."
        )

    def write(self, directory: Path, brief: bool = False) -> None:
        """The meshes with both textures, neutral.obj, overlay.png, report.html and fit.json: all of them, or nothing.

        `brief` leaves everything but fit.json out. GanfitError when the folder holds what we did not write, or a
        finished result where this fit was interrupted.
        """
        with complete_result(directory, self.interrupted) as work:
            self.write_files(work, brief)

    @torch.no_grad()
    def write_files(self, folder: Path, brief: bool = False, skin: OwnSkin | None = None) -> None:
        """The same files into a folder that is there and empty. `skin` is by default that of this photo alone."""
        if not brief:
            skin = skin or own_skin([self.photo], self.model, [self.final.parameters])
        record = self.record()
        if skin:
            record["own_skin"] = skin.record()
            write_meshes(folder, self.model, self.final.parameters)
            write_own_skin(folder, self.model, self.final.parameters, skin.albedo)
            sheet = overlay(self.photo, self.model, self.final)
            sheet.save(folder / "overlay.png")
            if self.photo.faces_found > 1:
                faces_found_sheet(self.photo.original, self.photo.boxes).save(folder / "faces.png")
            page = report(record, self.model, self.final.parameters, skin.albedo, sheet)
            (folder / "report.html").write_text(page, encoding="utf-8")
        write_json(folder / RESULT, record)


def peak_memory_mb() -> float:
    """The largest resident memory of this process so far.

    Linux hands `ru_maxrss` on from the process that started this one, so there VmHWM is read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
