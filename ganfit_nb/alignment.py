"""The first stage of Sec. 3.4: rough alignment of shape, expression and camera to the landmarks alone.

The paper descends by gradient. Landmarks are few and nearly linear in the parameters, so Gauss-Newton with
Levenberg-Marquardt damping arrives in about ten updates, where Adam needs hundreds. It minimises

    Σ ρ(‖x_i(p) − m_i‖ / σ) + ‖p_s‖² + ‖p_e‖² + the camera's own prior,

the logarithm of a posterior with Gaussian priors; ρ is Huber's, so that a hidden landmark does not bend the face.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from ganfit_nb.camera import project
from ganfit_nb.face_model import FaceModel
from ganfit_nb.landmark_pairs import LANDMARK_SIZE, LandmarkPairs, landmark_pairs
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photo import Photo

# Standard deviation of a landmark in 512ths of the image side (0.55 mm each). The detector's errors are shared by
# neighbours: all of them together count as about 68 independent ones.
SIGMA = 6.0
HUBER = 2.0  # residuals beyond two standard deviations count linearly
LOG_DISTANCE_MEAN, LOG_DISTANCE_SD = math.log(1000.0), 0.35  # portraits are taken from 0.5 to 2 m
TARGET_SD = 20.0  # mm; the photo's alignment already centres the face
FIRST_DAMPING, LAST_DAMPING = 1e-2, 1e4
ALIGNED = ("identity", "expression", "camera")  # the groups that landmarks tell about
CONVERGED = 1e-4  # relative decrease below which the stage ends


@dataclass(frozen=True)
class AlignState:
    """What the next update needs besides the parameters: the damping, and whether the last one still helped."""

    damping: float = FIRST_DAMPING
    converged: bool = False


def align_update(
    photos: Sequence[Photo],
    model: FaceModel,
    parameters: Sequence[FaceParameters],
    state: AlignState,
    free: Collection[str] = ALIGNED,
) -> tuple[list[FaceParameters], AlignState]:
    """One damped Gauss-Newton update of p_s, which all photos of a person share, and of every photo's p_e and p_c.
    Raises the damping until the energy falls.

    A group that is not among the `free` ones keeps its value.
    """
    views = [
        landmark_pairs(photo, model.morphable, model.vertices(p), p.camera)
        for photo, p in zip(photos, parameters, strict=True)
    ]
    normal, descent = _normal_equations(views, model, parameters, free)
    energy, damping = _energy_of_set(views, model, parameters), state.damping
    while damping < LAST_DAMPING:
        step = torch.linalg.solve(normal + damping * torch.diag(normal.diagonal()), descent)
        candidate = _moved_set(parameters, -step)
        lower = _energy_of_set(views, model, candidate)
        if lower < energy:
            return candidate, AlignState(damping / 5, converged=bool(energy - lower < CONVERGED * energy))
        damping *= 5
    return list(parameters), AlignState(damping, converged=True)


def _energy_of_set(views: Sequence[LandmarkPairs], model: FaceModel, parameters: Sequence[FaceParameters]) -> Tensor:
    """Σ over the photos. The prior of the p_s that they share counts in each, as in a mean of fits (Eq. 13): what the
    detector gets wrong in one photo of a person it gets wrong in the others, too, so n photos are not n times the
    evidence."""
    return torch.stack([_energy(pairs, model, p) for pairs, p in zip(views, parameters, strict=True)]).sum()


def _normal_equations(
    views: Sequence[LandmarkPairs],
    model: FaceModel,
    parameters: Sequence[FaceParameters],
    free: Collection[str],
) -> tuple[Tensor, Tensor]:
    """JᵀJ and Jᵀr, unknowns ordered p_s, then p_e and p_c of each photo."""
    moves = torch.cat([torch.full((count,), float(name in free)) for name, count in _columns(parameters[0])])
    shared = parameters[0].identity.numel()
    own = parameters[0].expression.numel() + 7
    normal = torch.zeros(shared + own * len(views), shared + own * len(views))
    descent = torch.zeros(len(normal))
    for k, (pairs, p) in enumerate(zip(views, parameters, strict=True)):
        slope, residual = _linearise(pairs, model, p)
        slope = slope * moves  # a frozen coefficient has no slope, and 1 on the diagonal: its part of the step is 0
        unknowns = torch.cat([torch.arange(shared), torch.arange(own) + shared + own * k])
        normal[unknowns[:, None], unknowns] += slope.T @ slope + torch.diag(1 - moves)
        descent[unknowns] += slope.T @ residual
    return normal, descent


def _moved_set(parameters: Sequence[FaceParameters], step: Tensor) -> list[FaceParameters]:
    shared = parameters[0].identity.numel()
    own = step[shared:].view(len(parameters), -1)
    return [_moved(p, torch.cat([step[:shared], part])) for p, part in zip(parameters, own, strict=True)]


def _residual(pairs: LandmarkPairs, positions: Tensor, parameters: FaceParameters) -> Tensor:
    """Landmark residuals in standard deviations, (L, 2)."""
    return (project(positions, parameters.camera, LANDMARK_SIZE)[:, :2] - pairs.observed) / SIGMA


def _camera_prior(camera: Tensor) -> Tensor:
    """Standardised deviations of the viewing distance and the target from what a portrait has."""
    distance, target = (camera[:3] - camera[3:6]).norm(), camera[3:6]
    return torch.cat([((distance.log() - LOG_DISTANCE_MEAN) / LOG_DISTANCE_SD)[None], target / TARGET_SD])


def _energy(pairs: LandmarkPairs, model: FaceModel, parameters: FaceParameters) -> Tensor:
    distance = _residual(pairs, pairs.surface.on(model.vertices(parameters)), parameters).norm(dim=1)
    huber = torch.where(distance < HUBER, distance.square(), HUBER * (2 * distance - HUBER))
    priors = torch.cat([parameters.identity, parameters.expression, _camera_prior(parameters.camera)])
    return (pairs.weight * huber).sum() + priors.square().sum()


def _linearise(pairs: LandmarkPairs, model: FaceModel, parameters: FaceParameters) -> tuple[Tensor, Tensor]:
    """Jacobian and residual of the energy's reweighted least squares, columns ordered p_s, p_e, p_c."""
    positions = pairs.surface.on(model.vertices(parameters))
    bases = (model.morphable.identity_basis, model.morphable.expression_basis)
    moves = torch.cat([pairs.surface.on(basis) for basis in bases])  # (K, L, 3)
    camera = parameters.camera
    by_camera = jacobian(
        lambda c: _residual(pairs, positions, parameters.replace(camera=c)), camera, vectorize=True
    )  # (L, 2, 7)
    # A point's pixel depends on that point alone, so the derivatives of the sums are those of all points.
    by_position = jacobian(lambda x: _residual(pairs, x, parameters).sum(0), positions).transpose(0, 1)  # (L, 2, 3)
    by_shape = torch.einsum("lij,klj->lik", by_position, moves)
    residual = _residual(pairs, positions, parameters)
    distance = residual.norm(dim=1)
    root = (pairs.weight * (HUBER / distance.clamp(min=HUBER))).sqrt()[:, None]
    k = moves.shape[0]
    prior_rows = torch.zeros(k + 4, k + 7)
    prior_rows[:k, :k] = torch.eye(k)
    prior_rows[k:, k:] = jacobian(_camera_prior, camera)
    rows = torch.cat([(root[..., None] * torch.cat([by_shape, by_camera], dim=2)).flatten(0, 1), prior_rows])
    priors = torch.cat([parameters.identity, parameters.expression, _camera_prior(camera)])
    return rows, torch.cat([(root * residual).flatten(), priors])


def _moved(parameters: FaceParameters, step: Tensor) -> FaceParameters:
    columns = _columns(parameters)
    steps = step.split([count for _, count in columns])
    return parameters.replace(
        **{name: getattr(parameters, name) + part for (name, _), part in zip(columns, steps, strict=True)}
    )


def _columns(parameters: FaceParameters) -> list[tuple[str, int]]:
    """The groups that the stage moves and their sizes, in the order of the Jacobian's columns."""
    return [(name, getattr(parameters, name).numel()) for name in ALIGNED]
