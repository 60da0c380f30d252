"""The MICC experiment (Sec. 4.3, Table 1) on the dataset's own layout.

    ROOT/subject_XX/Model/{frontal1,frontal2}/obj/*.obj
    ROOT/subject_XX/Video/{Indoor-Cooperative,PTZ-Indoor,PTZ-Outdoor}.{mjpg,mjpeg,mpg}

Every video is fitted from five frames spread uniformly, as one image set (Eq. 13), and from the most frontal of them
alone, as one would choose it; of the two frontal scans the one with the smaller error counts, as in the authors'
evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

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
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.files.outputs import claim_file, has_keys, read_record, write_json
from ganfit_nb.fitting.image_set import SetStep, fit_set
from ganfit_nb.fitting.stages import FitConfig
from ganfit_nb.geometry.surface import Surface
from ganfit_nb.model_files.registration import register
from ganfit_nb.photos.landmarks import turned
from ganfit_nb.photos.photo import Photo, default_detector
from ganfit_nb.photos.video import FRAMES, photos_of_video

SETTINGS = {"Cooperative": "Indoor-Cooperative", "Indoor": "PTZ-Indoor", "Outdoor": "PTZ-Outdoor"}
SCANS = ("frontal1", "frontal2")
VIDEO_SUFFIXES = (".mjpg", ".mjpeg", ".mpg")
TEXTURES: dict[str, Literal["gan", "pca"]] = {"PCA texture": "pca", "full model": "gan"}
BEST = "3DMM fitted to the scan"
COUNTS = (1, FRAMES)


@dataclass(frozen=True)
class MiccConfig:
    """What an evaluation's figures depend on: steps and picture size of every fit, and the seed."""

    steps: int = 200
    size: int = 256
    seed: int = 0


def subjects(root: Path) -> list[Path]:
    """The subjects' folders; GanfitError when there is none."""
    found = sorted(path for path in root.glob("subject_*") if path.is_dir()) if root.is_dir() else []
    if not found:
        raise GanfitError(f"{root} holds no subject_XX; give the folder of the MICC Florence dataset.")
    return found


def scan_files(subject: Path) -> list[Path]:
    """The frontal scans; GanfitError when neither is there."""
    found = [next(iter(sorted((subject / "Model" / name / "obj").glob("*.obj"))), None) for name in SCANS]
    scans = [path for path in found if path]
    if not scans:
        raise GanfitError(f"{subject.name} has no scan in Model/frontal1/obj or Model/frontal2/obj.")
    return scans


def video_file(subject: Path, setting: str) -> Path:
    """The video of a setting; GanfitError when there is none."""
    folder, stem = subject / "Video", SETTINGS[setting]
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in files:
        if path.stem.lower() == stem.lower() and path.suffix.lower() in VIDEO_SUFFIXES:
            return path
    raise GanfitError(f"{subject.name} has no Video/{stem} as .mjpg, .mjpeg or .mpg.")


def evaluate(root: Path, out: Path, config: MiccConfig, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Every subject's record. It is stored in `out` after every setting, and read from there the next time, so that a
    run that was killed goes on where it stopped.

    What a subject lacks is told in one sentence and never stops the rest; it is looked for again at the next run.
    """
    found = {subject: out / f"{subject.name}.json" for subject in subjects(root)}
    stored = {subject: read_stored(path, config) for subject, path in found.items()}
    records = {}
    evaluation = _Evaluation(config)
    for subject, path in found.items():
        record = stored[subject] or {"config": asdict(config), "errors": {}, "problems": []}
        if record["problems"] or not record["errors"].keys() >= SETTINGS.keys():
            say(f"{subject.name} …")
            for grown in evaluation.subject(subject, record["errors"]):
                write_json(path, record := grown)
        for problem in record["problems"]:
            say(problem)
        records[subject.name] = record
    return records


def read_stored(path: Path, config: MiccConfig) -> dict[str, Any] | None:
    """A stored record, or None; GanfitError when it is not ours or was made under other settings."""
    claim_file(path, has_keys("config", "errors", "problems"))
    if not path.is_file():
        return None
    record = read_record(path)
    if record["config"] != asdict(config):
        raise GanfitError(f"{path} was made with other settings; give those, or write to another folder.", "out")
    return record


def _of(folder: Path, error: GanfitError) -> str:
    """The sentence, with the subject's name in it."""
    return str(error) if folder.name in str(error) else f"{folder.name}: {error}"


class _Evaluation:
    """The models, loaded once."""

    def __init__(self, config: MiccConfig) -> None:
        self.config = config
        self.models = {row: FaceModel.default(texture) for row, texture in TEXTURES.items()}
        self.morphable = self.models["full model"].morphable

    def subject(self, folder: Path, errors: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The growing record of one subject: errors by setting, frames and row, and what was missing. Settings that
        are among the given `errors` are not done again."""
        record: dict[str, Any] = {"config": asdict(self.config), "errors": dict(errors), "problems": []}
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
                photos = photos_of_video(video_file(folder, setting))
                record["errors"][setting] = dict(self._setting(photos, scans))
            except GanfitError as error:
                record["problems"].append(_of(folder, error))
            yield record

    def _scan(self, path: Path) -> Scan:
        return Scan.find_marks(Surface.read(path), self.morphable, default_detector())

    def _best(self, scan: Scan) -> Reconstruction:
        """Our 3DMM fitted to the scan itself: what no photo can beat."""
        vertices = torch.from_numpy(scan.surface.vertices).float()
        found = register(self.morphable, scan.marks, vertices, torch.from_numpy(scan.surface.faces))
        return Reconstruction.of(self.morphable, torch.from_numpy(found.ours))

    def _setting(self, photos: list[Photo], scans: list[Scan]) -> Iterator[tuple[str, dict[str, Any]]]:
        """(number of frames, errors by row); the single frame is the most frontal one."""
        for count in COUNTS:
            used = [min(photos, key=lambda photo: turned(photo.landmarks))] if count == 1 else photos
            rows: dict[str, Any] = {"frames": [photo.source for photo in used]}
            for row, model in self.models.items():
                aligned, final = self._fit(used, model)
                rows[row] = self._errors(self._neutral(final), scans)
            rows[LANDMARKS_ALONE] = self._errors(self._neutral(aligned), scans)  # the same whatever the texture
            yield str(count), rows

    def _fit(self, photos: list[Photo], model: FaceModel) -> tuple[SetStep, SetStep]:
        """The last steps of both stages."""
        config = FitConfig(steps=self.config.steps, size=self.config.size, seed=self.config.seed)
        last = {step.stage: step for step in fit_set(photos, model, config)}
        return last["align"], last["joint"]

    def _neutral(self, step: SetStep) -> Reconstruction:
        return Reconstruction.of_person(self.morphable, step.steps[0].parameters.identity)

    def _errors(self, face: Reconstruction, scans: list[Scan]) -> dict[str, dict[str, float]]:
        """By variant: the error to the nearer of the scans, and how it came about."""
        found = {}
        for variant, scaled in VARIANTS.items():
            best = min((scan_error(face, scan, scaled=scaled) for scan in scans), key=lambda e: e.distance.mean)
            found[variant] = best.record()
        return found
