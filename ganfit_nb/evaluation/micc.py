"""The MICC experiment (Sec. 4.3, Table 1), for a folder in the layout of the dataset.

    ROOT/subject_XX/Model/{frontal1,frontal2}/obj/*.obj
    ROOT/subject_XX/Video/{Indoor-Cooperative,PTZ-Indoor,PTZ-Outdoor}.{mjpg,mjpeg,mpg}

Each video is fitted twice: from five frames that are spread uniformly, as one image set (Eq. 13), and from the most
frontal of them alone. Of a subject's two frontal scans the one with the smaller error counts, as in the authors'
evaluation. All fits follow a Recipe, once with the linear texture (Eq. 1) and once with the recipe's own texture. The
landmarks on the scans are always MediaPipe's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ganfit_nb.errors import GanfitError
from ganfit_nb.evaluation.scan_error import (
    LANDMARKS_ALONE,
    MEAN_FACE,
    VARIANTS,
    Reconstruction,
    Scan,
    scan_error,
)
from ganfit_nb.files.outputs import write_json
from ganfit_nb.files.stored import stored_record
from ganfit_nb.fitting.steps import SetStep
from ganfit_nb.geometry.surface import Surface
from ganfit_nb.model_files.registration import register
from ganfit_nb.photos.landmarks import turned
from ganfit_nb.photos.photo import Photo, default_detector
from ganfit_nb.photos.video import FRAMES, photos_of_video
from ganfit_nb.results.recipe import Recipe

SETTINGS = {"Cooperative": "Indoor-Cooperative", "Indoor": "PTZ-Indoor", "Outdoor": "PTZ-Outdoor"}
SCANS = ("frontal1", "frontal2")
VIDEO_SUFFIXES = (".mjpg", ".mjpeg", ".mpg")
LINEAR, FULL = "PCA texture", "full model"  # rows of the table: the fits with the two textures
BEST = "3DMM fitted to the scan"
COUNTS = (1, FRAMES)


def recipes_of_rows(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe of each row: with the linear texture, and the given recipe if it has another texture."""
    linear = {LINEAR: replace(recipe, texture="pca")}
    return linear if recipe.texture == "pca" else linear | {FULL: recipe}


def subjects(root: Path) -> list[Path]:
    """The folders of the subjects. Raises GanfitError when there is none."""
    found = sorted(path for path in root.glob("subject_*") if path.is_dir()) if root.is_dir() else []
    if not found:
        raise GanfitError(f"{root} holds no subject_XX; give the folder of the MICC Florence dataset.")
    return found


def scan_files(subject: Path) -> list[Path]:
    """The frontal scans of a subject. Raises GanfitError when there is none."""
    found = [next(iter(sorted((subject / "Model" / name / "obj").glob("*.obj"))), None) for name in SCANS]
    scans = [path for path in found if path]
    if not scans:
        raise GanfitError(f"{subject.name} has no scan in Model/frontal1/obj or Model/frontal2/obj.")
    return scans


def video_file(subject: Path, setting: str) -> Path:
    """The video of a setting. Raises GanfitError when there is none."""
    folder, stem = subject / "Video", SETTINGS[setting]
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in files:
        if path.stem.lower() == stem.lower() and path.suffix.lower() in VIDEO_SUFFIXES:
            return path
    raise GanfitError(f"{subject.name} has no Video/{stem} as .mjpg, .mjpeg or .mpg.")


def evaluate(root: Path, out: Path, recipe: Recipe, data: str, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """The record of each subject, by the name of its folder.

    A record is written to `out` after every setting. The next run reads it from there, so a run that was killed goes on
    where it stopped. `data` is the name of the dataset in the records. When a subject lacks a file, `say` gets one
    sentence about it, the other subjects are still evaluated, and the next run looks for the file again.

    Raises GanfitError before the first fit when a part of the recipe is missing or bad, or when `out` holds a record of
    another recipe or of other data.
    """
    found = {out / f"{subject.name}.json": subject for subject in subjects(root)}
    stored = {path: read_stored(path, recipe, data) for path in sorted({*found, *out.glob("subject_*.json")})}
    records = {}
    evaluation = _Evaluation(recipe)
    begun: dict[str, Any] = {"data": data, "settings": recipe.settings(), "errors": {}, "problems": []}
    for path, subject in found.items():
        record = stored[path] or begun
        if record["problems"] or not record["errors"].keys() >= SETTINGS.keys():
            say(f"{subject.name} …")
            for grown in evaluation.subject(subject, record["errors"]):
                write_json(path, record := record | grown)
        for problem in record["problems"]:
            say(problem)
        records[subject.name] = record
    return records


def read_stored(path: Path, recipe: Recipe, data: str) -> dict[str, Any]:
    """The record in a file, or an empty one if there is no file.

    Raises GanfitError when the file is not ours, or is of another recipe or of other data.
    """
    record = stored_record(path, ("data", "settings", "errors", "problems"))
    if not record:
        return {}
    settings = record["settings"] if isinstance(record["settings"], dict) else {}
    difference = recipe.differs_from(settings) if record["data"] == data else f"{record['data']}, not {data}"
    if difference:
        raise GanfitError(f"{path} was made with other settings ({difference}); choose another folder.", "out")
    return record


def _of(folder: Path, error: GanfitError) -> str:
    """The sentence of an error, with the name of the subject in it."""
    return str(error) if folder.name in str(error) else f"{folder.name}: {error}"


class _Evaluation:
    """A recipe with its parts loaded, which evaluates one subject after the other."""

    def __init__(self, recipe: Recipe) -> None:
        recipe.load()
        self.detector, self.recipes = recipe.detector(), recipes_of_rows(recipe)
        self.morphable = recipe.face_model().morphable

    def subject(self, folder: Path, errors: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yields the growing `errors` of one subject, by setting, frames and row, and its `problems`: what is missing.

        Settings that the given `errors` have already are not evaluated again.
        """
        record: dict[str, Any] = {"errors": dict(errors), "problems": []}
        try:
            scans = [self._scan(path) for path in scan_files(folder)]
        except GanfitError as error:
            yield record | {"problems": [_of(folder, error)]}
            return
        if MEAN_FACE not in errors:
            record["errors"][MEAN_FACE] = self._errors(Reconstruction.of(self.morphable, self.morphable.mean), scans)
            record["errors"][BEST] = self._errors(self._best(scans[0]), scans)
            yield record
        for setting in (name for name in SETTINGS if name not in errors):
            try:
                photos = photos_of_video(video_file(folder, setting), self.detector)
                record["errors"][setting] = dict(self._setting(photos, scans))
            except GanfitError as error:
                record["problems"].append(_of(folder, error))
            yield record

    def _scan(self, path: Path) -> Scan:
        return Scan.find_marks(Surface.read(path), self.morphable, default_detector())

    def _best(self, scan: Scan) -> Reconstruction:
        """Our 3DMM fitted to the scan itself. No fit to photos can be expected to be better."""
        vertices = torch.from_numpy(scan.surface.vertices).float()
        found = register(self.morphable, scan.marks, vertices, torch.from_numpy(scan.surface.faces))
        return Reconstruction.of(self.morphable, torch.from_numpy(found.ours))

    def _setting(self, photos: list[Photo], scans: list[Scan]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields (number of frames, errors by row). A single frame is the most frontal one."""
        for count in COUNTS:
            used = [min(photos, key=lambda photo: turned(photo.landmarks))] if count == 1 else photos
            rows: dict[str, Any] = {"frames": [photo.source for photo in used]}
            for row, recipe in self.recipes.items():
                aligned, final = _fit(used, recipe)
                rows[row] = self._errors(self._neutral(final), scans)
            rows[LANDMARKS_ALONE] = self._errors(self._neutral(aligned), scans)  # the same whatever the texture
            yield str(count), rows

    def _neutral(self, step: SetStep) -> Reconstruction:
        return Reconstruction.of_person(self.morphable, step.steps[0].parameters.identity)

    def _errors(self, face: Reconstruction, scans: list[Scan]) -> dict[str, dict[str, float]]:
        """For each variant, the record of the error against the nearer of the scans."""
        found = {}
        for variant, scaled in VARIANTS.items():
            best = min((scan_error(face, scan, scaled=scaled) for scan in scans), key=lambda e: e.distance.mean)
            found[variant] = best.record()
        return found


def _fit(photos: list[Photo], recipe: Recipe) -> tuple[SetStep, SetStep]:
    """The last step of the alignment and the last step of the joint stage."""
    last = {step.stage: step for step in recipe.set_steps(photos)}
    return last["align"], last["joint"]
