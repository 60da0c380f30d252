"""A judge's opinion of reconstructions (Appendix A): embeddings of a photo and of its fixed-view rendering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from joblib import delayed
from numpy import ndarray as Array

from ganfit_nb.assets.registry import shipped_sha256
from ganfit_nb.batches.batch import Task, fit_record, spread
from ganfit_nb.files.outputs import RESULT, write_json
from ganfit_nb.files.stored import stored_record
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.renderer.camera import frontal_camera
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_nb.results.export import from_lists
from ganfit_nb.results.judge import INDEPENDENT, Judge
from ganfit_nb.results.recipe import Recipe, content_of_identity, network_named

SIZE = 512  # px; of the renderings
KEYS = ("judge", "photo", "rendering")  # of a stored judgement
LOOK = "faces found anew"  # how a judge looks at pictures; a judgement by another look is not reused


@dataclass(frozen=True)
class Embeddings:
    """Unit vectors: of the photo, and of the rendering under the fixed camera and light."""

    photo: Float[Array, " D"]
    rendering: Float[Array, " D"]

    @property
    def similarity(self) -> float:
        """The cosine similarity of photo and rendering (Fig. 6)."""
        return float(self.photo @ self.rendering)


def judge_named(name: str) -> Judge:
    """The independent judge, or one of the networks that a fit can be optimised for. GanfitError for other names."""
    if name == INDEPENDENT:
        return Judge.independent()
    network = network_named(name)
    return Judge(lambda crops: network.features(crops).embedding, network.template)


def content_of_judge(name: str) -> str:
    """What is in a judge's file, and how it looks at pictures."""
    shipped = shipped_sha256("face_reidentification.safetensors") if name == INDEPENDENT else ""
    return f"{shipped or content_of_identity(name)}, {LOOK}"


@torch.no_grad()
def fixed_view(recipe: Recipe, parameters: FaceParameters) -> torch.Tensor:
    """(SIZE, SIZE, 3) picture of a fit under the frontal camera and light.

    As in Appendix A, only camera and light are exchanged; shape, expression and texture are the fit's.
    """
    view = parameters.replace(camera=frontal_camera(), light=frontal_light())
    return recipe.face_model().render(view, SIZE).image.clamp(0, 1)


def judgements(tasks: Sequence[Task], judge: str, store: Path) -> Iterator[tuple[str, Embeddings | None]]:
    """(name, embeddings) of finished fits, unordered; None where the judge finds no face in the photo or the rendering.

    They are kept in `store`, until a fit or the judge is another. GanfitError, before anything is judged, when a file
    that is not ours is in the place of one.
    """
    content = content_of_judge(judge)
    kept = {task: record for task in tasks if (record := _kept(task, content, store))}
    yield from ((task.name, _embeddings(record)) for task, record in kept.items())
    yield from spread(delayed(_judge)(task, judge, content, store) for task in tasks if task not in kept)


def _file(task: Task, store: Path) -> Path:
    return store / f"{task.name}.json"


def _kept(task: Task, content: str, store: Path) -> dict[str, Any] | None:
    record = stored_record(_file(task, store), KEYS, task.directory / RESULT)
    return record if record.get("judge") == content else None


def _embeddings(record: dict[str, Any]) -> Embeddings | None:
    if record["photo"] is None or record["rendering"] is None:
        return None
    return Embeddings(*(np.asarray(record[name], np.float32) for name in ("photo", "rendering")))


def _judge(task: Task, judge: str, content: str, store: Path) -> tuple[str, Embeddings | None]:
    look = judge_named(judge).embedding
    rendering = fixed_view(task.recipe, from_lists(fit_record(task)["parameters"]))
    seen = {"photo": look(task.recipe.photo(task.photo)), "rendering": look(rendering)}
    record = {"judge": content} | {name: None if found is None else found.tolist() for name, found in seen.items()}
    write_json(_file(task, store), record)
    return task.name, _embeddings(record)
