"""Draws Fig. 6 and 7."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.evaluation.lfw_report import LfwReport
from ganfit_nb.evaluation.plots import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SAME, DIFFERENT, RENDERED = "tab:blue", "tab:orange", "tab:green"


def figure_6(report: LfwReport) -> Figure:
    """Fig. 6: similarities of renderings to their photos, beside those of photos of one person and of two people."""
    drawing = figure(7.0, 4.5)
    axes, photos = drawing.subplots(), report.photos
    groups = [
        (photos.similarity[~photos.same], "photo to photo, different people", DIFFERENT),
        (photos.similarity[photos.same], "photo to photo, same person", SAME),
        (report.rendering_to_photo, "rendering to its photo (Fig. 6)", RENDERED),
    ]
    _histograms(axes, groups)
    axes.set_title(f"Rendering-to-photo cosine similarity\n{report.data}, {len(report.rendering_to_photo)} pictures")
    axes.set_xlabel(f"cosine similarity ({report.judge})")
    return drawing


def figure_7(report: LfwReport) -> Figure:
    """Fig. 7: similarities of pairs of renderings, and the threshold between one person and two people."""
    drawing = figure(7.0, 4.5)
    axes, pairs = drawing.subplots(), report.renderings
    groups = [
        (pairs.similarity[~pairs.same], "different people", DIFFERENT),
        (pairs.similarity[pairs.same], "same person", SAME),
    ]
    _histograms(axes, groups)
    told = pairs.verification
    axes.axvline(told.threshold, color="black", linestyle="--", linewidth=1)
    axes.set_title(
        f"Cosine similarity of pairs of renderings (Fig. 7)\n{report.data}, {len(pairs.same)} pairs: "
        f"overlap {told.overlap:.2f}, accuracy {100 * told.accuracy:.1f} ± {100 * told.standard_error:.1f} %"
    )
    axes.set_xlabel(f"cosine similarity ({report.judge}), fixed camera and light")
    return drawing


def _histograms(axes: Axes, groups: list[tuple[Float[Array, " _"], str, str]]) -> None:
    """Draws the density of each group (values, label, colour) over the same bins. The legend gives the means."""
    values = np.concatenate([group for group, _, _ in groups])
    count = int(np.clip(2 * np.sqrt(len(values)), 10, 60))
    bins = np.linspace(values.min(), max(values.max(), values.min() + 1e-6), count + 1)
    for group, label, colour in groups:
        label = f"{label}, mean {group.mean():.3f}"
        axes.hist(group, bins=list(bins), density=True, histtype="stepfilled", alpha=0.5, color=colour, label=label)
    axes.set_ylabel("density")
    axes.figure.legend(frameon=False, loc="outside lower center")
