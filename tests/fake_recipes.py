"""Recipes whose fits take no time, for tests of the machinery around them; workers import this file, too."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from ganfit_nb.batches.batch import Task
from ganfit_nb.errors import GanfitError
from ganfit_nb.files.outputs import complete_result
from ganfit_nb.fitting.gauss_newton import NewtonState
from ganfit_nb.fitting.steps import FitStep
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.recipe import Recipe

PAUSE = 0.2  # s a fit


def tiny_photo(name: str) -> Photo:
    """A black photo of that name."""
    black, points = torch.zeros(16, 16, 3), torch.zeros(68, 2)
    return Photo(black, points, None, black.to(torch.uint8), torch.eye(3)[:2], name, torch.zeros(1, 4), ())


def tiny_step() -> FitStep:
    """A step of a model with one mode of each kind."""
    one = torch.zeros(1)
    face = FaceParameters(one, one, one, torch.zeros(7), torch.zeros(9))
    return FitStep("align", 0, face, {}, {}, {}, 0.0, NewtonState())


@dataclass
class FakeResult:
    photo: Photo

    def write(self, directory, brief=False):
        with complete_result(directory, interrupted=False) as work:
            figures = {"identity_distance": 0.5, "landmark_error": 0.02, "seconds": PAUSE}
            record = {"interrupted": False, "parameters": {}, "process": os.getpid(), **figures}
            (work / "fit.json").write_text(json.dumps(record))


@dataclass(frozen=True)
class FakeRecipe(Recipe):
    """A photo is its file's text: "good", "bad" (GanfitError), "odd" (a library's error), "deadly" (kills the process).

    Every fit begun leaves a line in begun.txt beside the results' folder.
    """

    def load(self):
        pass

    def photo(self, path):
        with (path.parent.parent / "begun.txt").open("a", errors="surrogateescape") as file:
            file.write(f"{path.stem}\n")
        match path.read_text():
            case "bad":
                raise GanfitError(f"{path.name} is bad.")
            case "odd":
                raise ZeroDivisionError("division by zero")
            case "deadly":
                os._exit(9)
        return tiny_photo(path.stem)

    def steps(self, photo):
        time.sleep(PAUSE)
        yield tiny_step()

    def result(self, photo, steps, interrupted=False):
        return FakeResult(photo)

    def differs_from(self, record):
        return ""


@dataclass(frozen=True)
class PickyRecipe(FakeRecipe):
    """Its program holds two photos at most, and fails for one that is called ill."""

    def aligned(self, photo):
        return [tiny_step()]

    def together(self, photos, starts):
        if len(photos) > 2:
            raise torch.OutOfMemoryError("too many")
        yield list(starts)
        if any(photo.source == "ill" for photo in photos):
            raise GanfitError("ill went bad.")


@dataclass(frozen=True)
class DeadlyRecipe(FakeRecipe):
    """Kills whoever loads its models, as too little memory does."""

    def load(self):
        os._exit(9)


def fake_tasks(folder: Path, contents: dict[str, str]) -> list[Task]:
    """Photos with these contents by name, to be fitted to folder/out."""
    photos = folder / "photos"
    photos.mkdir(exist_ok=True)
    for name, content in contents.items():
        if not (photos / f"{name}.jpg").exists():
            (photos / f"{name}.jpg").write_text(content)
    return [Task(name, photos / f"{name}.jpg", folder / "out", FakeRecipe()) for name in contents]


def times_begun(folder: Path) -> dict[str, int]:
    """How often a fit of each photo was begun."""
    lines = (folder / "begun.txt").read_text().split()
    return {name: lines.count(name) for name in lines}
