"""The modes of Eq. 2 for anny's heads: principal components of random identities and of random expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.linalg import eigh

from ganfit_nb.face.facial_actions import FACIAL_ACTIONS
from ganfit_nb.training.shape.anny_heads import AnnyHeads

FACE_CHANGES = ("cheek", "chin", "ear", "eye", "forehead", "head", "mouth", "nose", "neck-double")
CHANGE_SD = 0.28  # of a local change from -1 to 1; with a larger one, some random faces are caricatures
EAR_SD = 0.18
ASYMMETRY_SD = 0.06
BATCH = 100

# Root mean square of each facial action (0 to 1) in a lively face. Actions that are not listed get OTHER_RMS. The value
# of the jaw is small, because a linear mode also runs in the opposite direction, in which a jaw cannot move.
ACTION_RMS = {
    "jawOpen": 0.20,
    "mouthSmile": 0.30,
    "eyeBlink": 0.28,
    "browInnerUp": 0.30,
    "browDown": 0.25,
    "browOuterUp": 0.25,
    "mouthClose": 0.0,
    "tongueOut": 0.0,
    "cheekPuff": 0.12,
    "mouthPucker": 0.22,
    "mouthFunnel": 0.15,
    "jawForward": 0.12,
    "mouthRollLower": 0.10,
    "mouthRollUpper": 0.10,
    "noseSneer": 0.2,
}
OTHER_RMS = 0.16


@dataclass(frozen=True)
class Modes:
    """Principal components and the total variance of the samples.

    The components are (K, V, 3) in mm per standard deviation, orthogonal, the strongest first.
    """

    basis: Float[Array, "K V 3"]
    total: float

    @property
    def explained(self) -> Float[Array, " K"]:
        """The share of the variance that the first 1, 2, … K modes hold."""
        return np.cumsum((self.basis**2).sum((1, 2))) / self.total


def random_identities(heads: AnnyHeads, count: int, rng: np.random.Generator) -> Float[Array, "n V 3"]:
    """Neutral adults of every age, sex, build and ancestry, with all changes of the face, on anny's cropped mesh."""

    def batch(n: int) -> Array:
        phenotypes = {label: rng.random(n) for label in heads.model.phenotype_labels}
        phenotypes["age"] = rng.uniform(0.6, 0.97, n)  # 2/3 is a young adult, 1 is ninety
        phenotypes["height"] = rng.uniform(0.3, 0.7, n)
        return heads.vertices(phenotypes, _random_changes(heads, n, rng), {})

    return np.concatenate([batch(min(BATCH, count - start)) for start in range(0, count, BATCH)])


def _random_changes(heads: AnnyHeads, n: int, rng: np.random.Generator) -> dict[str, Array]:
    changes = {}
    for label in heads.model.local_change_labels:
        name = label.removeprefix("l-")
        if not name.startswith(FACE_CHANGES):
            continue  # it changes the body, or the right side, which is set with the left side
        value = rng.normal(0, EAR_SD if name.startswith("ear") else CHANGE_SD, n)
        changes[label] = value.clip(-1, 1)
        if name != label:
            changes[f"r-{name}"] = (value + rng.normal(0, ASYMMETRY_SD, n)).clip(-1, 1)
    return changes


def action_displacements(heads: AnnyHeads) -> dict[str, Float[Array, "V 3"]]:
    """The displacements in mm of each facial action, fully on, for an adult with middle phenotypes."""
    labels = heads.model.facial_action_labels
    middle = {label: np.full(1, 0.5) for label in heads.model.phenotype_labels} | {"age": np.array([0.7])}
    neutral = heads.vertices(middle, {}, {})[0]
    return {label: heads.vertices(middle, {}, {label: np.ones(1)})[0] - neutral for label in labels}


def action_coefficients(
    displacements: dict[str, Float[Array, "V 3"]], modes: Modes, expand: Callable[[Array], Array]
) -> Float[Array, "A K"]:
    """The coefficients of the modes that come nearest to each of FACIAL_ACTIONS, in their order."""
    fine = np.stack([expand(displacements[name]) for name in FACIAL_ACTIONS])
    basis = modes.basis.reshape(len(modes.basis), -1)
    return np.linalg.solve(basis @ basis.T, basis @ fine.reshape(len(fine), -1).T).T


def random_expressions(
    displacements: dict[str, Float[Array, "V 3"]], count: int, rng: np.random.Generator
) -> Float[Array, "n V 3"]:
    """Displacements of random expressions from the neutral face.

    In each, some actions are on, left and right mostly together.
    """
    shared: dict[str, Array] = {}
    total = np.zeros((count, *next(iter(displacements.values())).shape), np.float32)
    for label, displacement in displacements.items():
        sideways = label in ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
        name = label if sideways else label.removesuffix("Left").removesuffix("Right")
        rms = ACTION_RMS.get(name, OTHER_RMS)
        if name not in shared:
            shared[name] = _sparse_activation(count, rng)
        one_side = _sparse_activation(count, rng)
        value = (rms * (0.8 * shared[name] + 0.2 * one_side)).clip(0, 1)
        total += (value[:, None, None] * displacement).astype(np.float32)
    return total


def _sparse_activation(count: int, rng: np.random.Generator) -> Float[Array, " n"]:
    """Random strengths of an action: 0 in 60 % of the draws, with a mean square of 1 over all."""
    return np.abs(rng.normal(size=count)) * (rng.random(count) < 0.4) / np.sqrt(0.4)


def aligned(shapes: Float[Array, "n V 3"], region: Bool[Array, " V"], rounds: int = 3) -> Float[Array, "n V 3"]:
    """Aligns shapes on the region by rigid Procrustes alignment, without scale. The mean of the region is at 0."""
    shapes = shapes - shapes[:, region].mean(1, keepdims=True)
    for _ in range(rounds):
        mean = shapes[:, region].mean(0)
        mean = mean - mean.mean(0)
        correlation = np.einsum("nvi,vj->nij", shapes[:, region], mean)
        u, _, vt = np.linalg.svd(correlation)
        sign = np.sign(np.linalg.det(u @ vt))
        u[:, :, 2] *= sign[:, None]
        shapes = shapes @ (u @ vt)
    return shapes


def principal_modes(
    deviations: Float[Array, "n V 3"], mirror: Int[Array, " V"], expand: Callable[[Array], Array], count: int
) -> Modes:
    """PCA of the deviations and of their mirror images, about zero. So each mode is symmetric or antisymmetric.

    `expand` maps base vertices to those of the model, where the variance is measured.
    """
    fine = np.stack([expand(shape) for shape in deviations]).astype(np.float32)
    mirrored = fine[:, mirror] * np.array([-1, 1, 1], np.float32)
    found = [_components((fine + sign * mirrored) / 2, count) for sign in (1, -1)]
    energy = np.concatenate([(basis**2).sum((1, 2)) for basis, _ in found])
    strongest = np.argsort(-energy, kind="stable")[:count]
    return Modes(np.concatenate([basis for basis, _ in found])[strongest], sum(total for _, total in found))


def _components(samples: Float[Array, "n V 3"], count: int) -> tuple[Float[Array, "k V 3"], float]:
    """The leading components times their standard deviations, and the total variance. Their signs are fixed."""
    flat = samples.reshape(len(samples), -1)
    gram = (flat @ flat.T).astype(np.float64) / len(flat)
    variance, vectors = eigh(gram, subset_by_index=(max(0, len(flat) - count), len(flat) - 1))
    keep = variance[::-1] > 1e-9 * variance[-1]
    # Column j of flat.T @ vectors has length sqrt(n variance_j). Dividing by sqrt(n) gives one standard deviation.
    basis = (vectors.T[::-1][keep].astype(np.float32) @ flat) / np.sqrt(len(flat))
    largest = np.abs(basis).argmax(1)
    basis *= np.sign(basis[np.arange(len(basis)), largest])[:, None]
    return basis.reshape(-1, *samples.shape[1:]).astype(np.float64), float(np.trace(gram))
