"""Writes a stand-in for LFW in LFW's layout: several pictures each of people who do not exist.

It does not replace LFW, and its results must be labelled. People and camera are those of the stand-in for MICC: heads
that the fitting model cannot represent exactly, and a path tracer that shares no code with the renderer of a fit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray as Array
from PIL import Image
from tqdm import tqdm

from ganfit_nb.errors import GanfitError
from ganfit_nb.evaluation.lfw import Pair, picture_name, picture_path, write_pairs
from ganfit_nb.files.outputs import claim_folder, complete_directory, never
from ganfit_nb.standins.stand_in import mark_stand_in

SIDE = 250  # px, as in LFW
QUALITY = 90  # quality of the JPEG files
EXPLANATION = (
    "made by `ganfit make lfw-standin`. No person in it exists: heads of the parametric human anny with asymmetry and "
    "bumps of their own, painted skins, pictures by Mitsuba 3. Label every figure from it as stand-in."
)
Photograph = Callable[[int, int], Iterable[UInt8[Array, "H W 3"]]]  # (person k, number of pictures) -> pictures


def write_lfw_standin(root: Path, people: int, pictures: int, folds: int, photograph: Photograph) -> None:
    """Writes `pictures` pictures of each of `people` persons, and pairs.txt.

    As in LFW, every person belongs to one fold. Raises GanfitError when `root` is not empty, or when a fold would have
    fewer than two people or a person fewer than two pictures.
    """
    claim_folder(root, never)
    if folds < 2 or people < 2 * folds or pictures < 2:
        raise GanfitError("An LFW needs two folds, two people in each, and two pictures of everyone, at least.")
    names = [f"Person_{k:03d}" for k in range(people)]
    with complete_directory(root, never) as work:
        for k, name in enumerate(tqdm(names, unit="person")):
            for number, picture in enumerate(photograph(k, pictures), 1):
                path = picture_path(work, picture_name(name, number))
                path.parent.mkdir(exist_ok=True)
                Image.fromarray(picture).save(path, quality=QUALITY)
        write_pairs(work / "pairs.txt", choose_pairs(names, pictures, folds))
        mark_stand_in(work, "LFW", EXPLANATION)


def choose_pairs(names: Sequence[str], pictures: int, folds: int) -> list[Pair]:
    """Random pairs of one person and of two, drawn from a fixed seed.

    Every fold gets the same number of both kinds: the largest number that all folds have.
    """
    rng = np.random.default_rng(0)
    chosen: list[list[tuple[str, str]]] = []
    for people in (names[fold::folds] for fold in range(folds)):
        shots = [[picture_name(name, number) for number in range(1, pictures + 1)] for name in people]
        same = [pair for own in shots for pair in itertools.combinations(own, 2)]
        different = [pair for a, b in itertools.combinations(shots, 2) for pair in itertools.product(a, b)]
        chosen += [[group[i] for i in rng.permutation(len(group))] for group in (same, different)]
    count = min(map(len, chosen))
    return [Pair(k // 2, a, b, k % 2 == 0) for k, group in enumerate(chosen) for a, b in group[:count]]
