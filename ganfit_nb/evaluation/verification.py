"""How well similarities tell pairs of one person from pairs of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError


@dataclass(frozen=True)
class Verification:
    """accuracy  mean share of right answers over the folds; standard_error of that mean, as LFW reports it
    overlap   of the two distributions: 0 where a threshold parts them, 1 where they are alike
    threshold the mean of those used
    """

    accuracy: float
    standard_error: float
    overlap: float
    threshold: float


def verify(similarity: Float[Array, " N"], same: Bool[Array, " N"], fold: Int[Array, " N"]) -> Verification:
    """LFW's protocol (View 2): the pairs of every fold are judged by the threshold that is best for all other folds.

    GanfitError with fewer than two folds: a threshold chosen on the pairs that it judges would flatter.
    """
    folds = np.unique(fold)
    if len(folds) < 2:
        raise GanfitError("Verification needs pairs in at least two folds, to choose the threshold on others.")
    thresholds = np.array([best_threshold(similarity[fold != k], same[fold != k]) for k in folds])
    shares = np.array(
        [((similarity[fold == k] > t) == same[fold == k]).mean() for k, t in zip(folds, thresholds, strict=True)]
    )
    return Verification(
        accuracy=float(shares.mean()),
        standard_error=float(shares.std(ddof=1) / np.sqrt(len(folds))),
        overlap=overlap(similarity[same], similarity[~same]),
        threshold=float(thresholds.mean()),
    )


def best_threshold(similarity: Float[Array, " N"], same: Bool[Array, " N"]) -> float:
    """The threshold with most right answers, half-way between two similarities; the middle one of equally good."""
    order = np.argsort(similarity, kind="stable")
    values, labels = similarity[order], same[order]
    right = np.concatenate([[labels.sum()], labels.sum() + np.cumsum(1 - 2 * labels.astype(int))])
    best = np.flatnonzero(right == right.max())
    k = int(best[len(best) // 2])
    edges = np.concatenate([[values[0] - 1.0], values, [values[-1] + 1.0]])
    return float((edges[k] + edges[k + 1]) / 2)


def overlap(same: Float[Array, " N"], different: Float[Array, " M"]) -> float:
    """min over thresholds of (share of `same` below + share of `different` above).

    That is the area that two densities share if they cross once, without the histogram or kernel an area would need.
    """
    thresholds = np.concatenate([same, different])
    below = np.searchsorted(np.sort(same), thresholds, side="right") / len(same)
    above = 1 - np.searchsorted(np.sort(different), thresholds, side="right") / len(different)
    return float(min(1.0, (below + above).min()))
