"""A recogniser's opinion of reconstructions (Appendix A): embeddings of a photo and of its fixed-view rendering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from joblib import delayed
from numpy import ndarray as Array

from ganfit_nb.batches.batch import Task, fit_record, spread
from ganfit_nb.files.outputs import RESULT, write_json
from ganfit_nb.files.stored import stored_record
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.renderer.camera import frontal_camera
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_nb.results.export import from_lists
from ganfit_nb.results.recipe import Recipe, content_of_identity, network_named

SIZE = 512  # px; of the renderings
KEYS = ("judge", "photo", "rendering")  # of a stored judgement


@dataclass(frozen=True)
class Embeddings:
    """Unit vectors: of the photo, and of the rendering under the fixed camera and light."""

    photo: Float[Array, " D"]
    rendering: Float[Array, " D"]

    @property
    def similarity(self) -> float:
        """The cosine similarity of photo and rendering (Fig. 6)."""
        return float(self.photo @ self.rendering)


@torch.no_grad()
def fixed_view(recipe: Recipe, parameters: FaceParameters) -> tuple[torch.Tensor, torch.Tensor]:
    """((SIZE, SIZE, 3) picture, (68, 2) landmarks) of a fit under the frontal camera and light.

    As in Appendix A, only camera and light are exchanged; shape, expression and texture are the fit's.
    """
    model, view = recipe.face_model(), parameters.replace(camera=frontal_camera(), light=frontal_light())
    picture = model.render(view, SIZE).image.clamp(0, 1)
    return picture, model.landmarks(model.vertices(view), view.camera, SIZE)


def judgements(tasks: Sequence[Task], judge: str, store: Path) -> Iterator[tuple[str, Embeddings]]:
    """(name, embeddings) of finished fits, unordered. They are kept in `store`, until a fit or the judge is another.

    GanfitError, before anything is judged, when a file that is not ours is in the place of one.
    """
    content = content_of_identity(judge)
    kept = {task: found for task in tasks if (found := _kept(task, content, store))}
    yield from ((task.name, found) for task, found in kept.items())
    yield from spread(delayed(_judge)(task, judge, content, store) for task in tasks if task not in kept)


def _file(task: Task, store: Path) -> Path:
    return store / f"{task.name}.json"


def _kept(task: Task, content: str, store: Path) -> Embeddings | None:
    record = stored_record(_file(task, store), KEYS, task.directory / RESULT)
    if record.get("judge") != content:
        return None
    return Embeddings(*(np.asarray(record[name], np.float32) for name in ("photo", "rendering")))


def _judge(task: Task, judge: str, content: str, store: Path) -> tuple[str, Embeddings]:
    vectors = _embed(task, judge)
    record = {"judge": content, "photo": vectors[0].tolist(), "rendering": vectors[1].tolist()}
    write_json(_file(task, store), record)
    return task.name, Embeddings(*vectors)


@torch.no_grad()
def _embed(task: Task, judge: str) -> Float[Array, "2 D"]:
    photo = task.recipe.photo(task.photo)
    rendering, landmarks = fixed_view(task.recipe, from_lists(fit_record(task)["parameters"]))
    network = network_named(judge)
    crops = [
        network.crop(picture.permute(2, 0, 1), points)
        for picture, points in ((photo.image, photo.landmarks), (rendering, landmarks))
    ]
    embedding = network.features(torch.stack(crops)).embedding
    return torch.nn.functional.normalize(embedding, dim=1).numpy()
