"""Measures how well similarities distinguish pairs of photos of one person from pairs of two people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError


@dataclass(frozen=True)
class Verification:
    """The result of LFW's protocol.

    accuracy        share of correct answers, mean over the folds
    standard_error  of that mean, as LFW reports it
    overlap         of the two distributions: 0 if a threshold separates them, 1 if they are equal
    threshold       mean over the folds
    """

    accuracy: float
    standard_error: float
    overlap: float
    threshold: float


def verify(similarity: Float[Array, " N"], same: Bool[Array, " N"], fold: Int[Array, " N"]) -> Verification:
    """LFW's protocol (View 2): the threshold for the pairs of a fold is the best one for all other folds.

    Raises GanfitError with fewer than two folds, because a threshold must not be chosen on the pairs that it judges.
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
    """The threshold with most correct answers, half-way between two similarities. Of equally good ones, the middle."""
    order = np.argsort(similarity, kind="stable")
    values, labels = similarity[order], same[order]
    right = np.concatenate([[labels.sum()], labels.sum() + np.cumsum(1 - 2 * labels.astype(int))])
    best = np.flatnonzero(right == right.max())
    k = int(best[len(best) // 2])
    edges = np.concatenate([[values[0] - 1.0], values, [values[-1] + 1.0]])
    return float((edges[k] + edges[k + 1]) / 2)


def overlap(same: Float[Array, " N"], different: Float[Array, " M"]) -> float:
    """The minimum over thresholds of (share of `same` below + share of `different` above).

    If the densities of the two groups cross once, this is the area that they share. It needs no histogram.
    """
    thresholds = np.concatenate([same, different])
    below = np.searchsorted(np.sort(same), thresholds, side="right") / len(same)
    above = 1 - np.searchsorted(np.sort(different), thresholds, side="right") / len(different)
    return float(min(1.0, (below + above).min()))
