"""A finished fit of an image set as folders: shared/ for the person, one for each photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganfit_nb.files.outputs import complete_result, write_json
from ganfit_nb.fitting.steps import SetStep
from ganfit_nb.own_skin import OwnSkin, own_skin
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.export import as_lists, contact_sheet, write_meshes, write_own_skin
from ganfit_nb.results.recipe import Recipe
from ganfit_nb.results.result import Result

SHARED = "shared"
OVERLAY_SIZE = 512


@dataclass(frozen=True)
class SetResult:
    """The photos of one person by name, how they were fitted, and every step."""

    photos: Mapping[str, Photo]
    recipe: Recipe
    steps: Sequence[SetStep]
    interrupted: bool = False

    def of_photos(self) -> dict[str, Result]:
        """The result of every photo: the shared shape and texture with its own expression, camera and light."""
        return {
            name: self.recipe.result(photo, [step.steps[k] for step in self.steps], self.interrupted)
            for k, (name, photo) in enumerate(self.photos.items())
        }

    def own_skin(self) -> OwnSkin:
        """The person's own skin, of all photos together."""
        parameters = [step.parameters for step in self.steps[-1].steps]
        return own_skin(list(self.photos.values()), self.recipe.face_model(), parameters)

    def write(self, directory: Path) -> None:
        """shared/ with the meshes and the texture of the person, and what one photo's fit writes beside it.

        All folders are complete before the first takes its place. GanfitError as for one photo's result.
        """
        results = self.of_photos()
        with ExitStack() as folders:
            skin = self.own_skin()
            for name, result in results.items():
                work = folders.enter_context(complete_result(directory / name, self.interrupted))
                result.write_files(work, skin=skin)
            work = folders.enter_context(complete_result(directory / SHARED, self.interrupted))
            self._write_shared(work, results, skin)

    @torch.no_grad()
    def _write_shared(self, work: Path, results: Mapping[str, Result], skin: OwnSkin) -> None:
        model = self.recipe.face_model()
        person = self.steps[-1].shared(model)
        rendering = model.render(person, OVERLAY_SIZE)
        write_meshes(work, model, person)
        write_own_skin(work, model, person, skin.albedo)
        panels = {"person": rendering.image, "shape": rendering.shaded_geometry, "without light": rendering.unlit}
        contact_sheet(panels).save(work / "overlay.png")
        write_json(work / "fit.json", self._record(results, as_lists(person)) | {"own_skin": skin.record()})

    def _record(self, results: Mapping[str, Result], person: dict[str, list[float]]) -> dict[str, Any]:
        last = self.steps[-1]
        return {
            "photos": list(results),
            "interrupted": self.interrupted,
            "identity_distance": float(np.mean([result.identity_distance() for result in results.values()])),
            "identity_similarity": _mean_found([result.identity_similarity() for result in results.values()]),
            "landmark_error": float(np.mean([result.landmark_error() for result in results.values()])),
            "seconds": last.seconds,
            "steps": last.index if last.stage == "joint" else 0,
            "seed": self.recipe.config.seed,
            "parameters": {name: person[name] for name in ("identity", "texture")},
            "totals": [step.total for step in self.steps],
            "stages": [step.stage for step in self.steps],
        }


def _mean_found(similarities: Sequence[float | None]) -> float | None:
    """The mean over the photos where the judge found both faces; None where it found none."""
    found = [similarity for similarity in similarities if similarity is not None]
    return float(np.mean(found)) if found else None
