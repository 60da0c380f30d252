"""Reports the results of the variants of Fig. 5: a table of measures and a page of pictures."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray as Array

from ganfit_nb.batches.batch import Task, fit_record
from ganfit_nb.evaluation.ablation import VARIANTS, Variant
from ganfit_nb.evaluation.known_face import shape_error
from ganfit_nb.evaluation.known_people import KnownPeople
from ganfit_nb.evaluation.plots import figure
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.files.outputs import replaced
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.objective import Objective
from ganfit_nb.fitting.second_view import second_view
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.export import from_lists, to_pil
from ganfit_nb.results.likeness import Likeness
from ganfit_nb.results.overlay import face_region, over_photo
from ganfit_nb.results.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNSEEN_VIEWS = range(1_000_000, 1_000_008)  # indices of second views that no fit uses, because no fit is so long
CELL, CAPTION = 1.6, 0.95  # inches: a picture's side, and the height of the caption below it
ROWS = ("over the photo", "geometry", "without light")


@dataclass(frozen=True)
class AblationRow:
    """The measures of one variant. All are computed for every variant, even if its objective lacks the term.

    identity_distance    Euclidean distance between dlib's embeddings of photo and rendering
    identity_similarity  cosine similarity of photo and rendering to the independent judge; None where it finds no face
    turned_identity      L̂_id, mean over second views that no fit uses; it is 1 for two different people
    turned_similarity    the judge's similarity in the same views, mean over those in which it finds a face
    content, pixel       L_con and L_pix
    landmark_error       share of the distance between the eyes
    shape_error          mm, after a similarity alignment; None when the true shape is unknown
    seconds              computing time of the fit
    """

    photo: str
    variant: str
    identity_distance: float
    identity_similarity: float | None
    turned_identity: float
    turned_similarity: float | None
    content: float
    pixel: float
    landmark_error: float
    shape_error: float | None
    seconds: float


COLUMNS = [field.name for field in fields(AblationRow)]  # of ablation.csv


@dataclass(frozen=True)
class Ablated:
    """A variant's row of the table, and its pictures: those of `ROWS` from top to bottom."""

    row: AblationRow
    pictures: tuple[UInt8[Array, "H W 3"], ...]


@torch.no_grad()
def examine(task: Task, photo: Photo, known: int | None) -> Ablated:
    """Measures the finished fit `task`, whose name is photo/variant.

    `known` is the index of the person in KnownPeople, or None for a photo of a real person.
    """
    name, variant = task.name.rsplit("/", 1)
    record, model = fit_record(task), task.recipe.face_model().seen_at(photo.size)
    parameters = from_lists(record["parameters"])
    terms, likeness = _terms(task.recipe, photo, parameters), Likeness(photo)
    truth = None if known is None else KnownPeople(model.morphable).identity(known)
    rendering = model.render(parameters, photo.size)
    over = over_photo(photo, rendering, face_region(model, rendering))
    pictures = (over, rendering.shaded_geometry, rendering.unlit)
    row = AblationRow(
        photo=name,
        variant=variant,
        identity_distance=record["identity_distance"],
        identity_similarity=likeness.similarity(rendering.image),
        turned_similarity=_turned_similarity(likeness, model, parameters, task.recipe.config.seed),
        landmark_error=record["landmark_error"],
        shape_error=None if truth is None else shape_error(model.morphable, parameters.identity, truth),
        seconds=record["seconds"],
        **terms,
    )
    return Ablated(row, tuple(np.asarray(to_pil(picture)) for picture in pictures))


def _terms(recipe: Recipe, photo: Photo, parameters: FaceParameters) -> dict[str, float]:
    config = recipe.config
    parts = recipe.face_model(), recipe.network()
    objective = Objective.of([[photo]], *parts, size=config.size, seed=config.seed, occlusion=config.occlusion)
    face, turned = objective.views.together([parameters]), LossWeights().only("second_identity")
    views = [objective.evaluate(face, turned, index).terms["second_identity"] for index in UNSEEN_VIEWS]
    seen = objective.evaluate(face, LossWeights().only("content", "pixel"), 0).terms
    return {"turned_identity": float(torch.stack(views).mean())} | {name: float(term) for name, term in seen.items()}


def _turned_similarity(likeness: Likeness, model: FaceModel, parameters: FaceParameters, seed: int) -> float | None:
    views = [second_view(parameters, seed, index) for index in UNSEEN_VIEWS]
    pictures = [model.render(view, likeness.photo.size).image for view in views]
    found = [similarity for picture in pictures if (similarity := likeness.similarity(picture)) is not None]
    return float(np.mean(found)) if found else None


def write_csv(rows: Sequence[AblationRow], path: Path) -> None:
    """Writes all rows to a CSV file."""
    with replaced(path) as work, work.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def table(rows: Sequence[AblationRow]) -> str:
    """The means over all photos, as a table in text."""
    columns = {
        "identity_distance": "identity",
        "identity_similarity": "similarity",
        "turned_identity": "turned id",
        "turned_similarity": "turned sim",
        "content": "content",
        "pixel": "pixel",
        "landmark_error": "landmarks",
        "shape_error": "shape mm",
        "seconds": "seconds",
    }
    lines = [f"{'mean over photos':22s}" + "".join(f"{title:>11s}" for title in columns.values())]
    for key, variant in VARIANTS.items():
        own = [asdict(row) for row in rows if row.variant == key]
        cells = [[row[name] for row in own if row[name] is not None] for name in columns]
        means = [f"{np.mean(cell):11.4f}" if cell else f"{'-':>11s}" for cell in cells]
        lines.append(f"{variant.label:22s}" + "".join(means))
    return "\n".join(lines)


def figure_5(photos: Sequence[Photo], ablated: Sequence[Sequence[Ablated]]) -> Figure:
    """Fig. 5: every photo beside its variants, in three rows for each photo, with the measures of each below it."""
    rows, columns = len(ROWS) * len(photos), 1 + len(VARIANTS)
    page = figure(CELL * columns, CELL * rows + CAPTION * len(photos))
    axes = page.subplots(rows, columns, squeeze=False)
    for k, (photo, variants) in enumerate(zip(photos, ablated, strict=True)):
        block = axes[len(ROWS) * k : len(ROWS) * (k + 1)]
        _show(block[0, 0], np.asarray(to_pil(photo.image)), "photo" if k == 0 else "")
        for empty in block[1:, 0]:
            empty.axis("off")
        for column, (one, variant) in enumerate(zip(variants, VARIANTS.values(), strict=True), 1):
            for row, picture in enumerate(one.pictures):
                _show(block[row, column], picture, _title(variant) if row == k == 0 else "")
            block[-1, column].set_xlabel(_caption(one.row), fontsize=8)
        for row, name in enumerate(ROWS):
            block[row, 1].set_ylabel(name, fontsize=8)
    return page


def _show(axes: Axes, picture: UInt8[Array, "H W 3"], title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _title(variant: Variant) -> str:
    """The label of a variant, with terms such as L̂_id as matplotlib's mathematical text."""
    hatted = variant.label.replace("L\u0302", r"\hat{L}")
    return re.sub(r"(\\hat\{L\}|L)_(\w+)", r"$\1_{\2}$", hatted)


def _caption(row: AblationRow) -> str:
    shape = "" if row.shape_error is None else f"\nshape {row.shape_error:.2f} mm"
    seen, turned = (
        "–" if value is None else f"{value:.2f}" for value in (row.identity_similarity, row.turned_similarity)
    )
    return (
        f"identity {row.identity_distance:.2f}, turned {row.turned_identity:.2f}\n"
        f"similarity {seen}, turned {turned}\n"
        f"pixel {row.pixel:.3f}\nlandmarks {row.landmark_error:.3f}{shape}"
    )
