"""The first stage of Sec. 3.4: rough alignment of shape, expression and camera to the landmarks alone.

The paper descends by gradient. Landmarks are few and nearly linear in the parameters, so Gauss-Newton with
Levenberg-Marquardt damping arrives in about ten updates, where Adam needs hundreds. It minimises

    Σ_i ρ(r_iᵀ C_i⁻¹ r_i) + (p_s − μ)ᵀ Σ⁻¹ (p_s − μ) + Σ_v ‖p_e‖² + the cameras' own prior,

the logarithm of a posterior with Gaussian priors; ρ is Huber's, so that a hidden landmark does not bend the face. r_i
has the residuals of landmark i in every photo v of the person. A detector puts a landmark beside its place on the
surface in the same way in all of them, by b_i ~ N(0, σ_b² I) mm, and in each it errs by σ_v pixels of its own:

    C_i = σ_v² I + σ_b² J_i J_iᵀ,   J_i = ∂x_i / ∂b_i over all photos.

So many photos do not make the shared error smaller, but what moves against it when the head turns, the parallax, tells
of depth.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from ganfit_nb.camera import project
from ganfit_nb.errors import GanfitError
from ganfit_nb.face_model import FaceModel
from ganfit_nb.landmark_pairs import LANDMARK_SIZE, LandmarkPairs, landmark_pairs
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photo import Photo
from ganfit_nb.shape_prior import ShapePrior

# Standard deviations of a landmark: what photos of a person share, and what they do not, in 512ths of the image side
# (0.55 mm each). They are larger than those of a single landmark, since neighbours err alike: all of them together
# count as about 68 independent ones.
BIAS_SD, NOISE_SD = 2.5, 6.0
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
    prior: ShapePrior,
    parameters: Sequence[FaceParameters],
    state: AlignState,
    free: Collection[str] = ALIGNED,
) -> tuple[list[FaceParameters], AlignState]:
    """One damped Gauss-Newton update of p_s, which all photos of a person share, and of every photo's p_e and p_c.
    Raises the damping until the energy falls.

    A group that is not among the `free` ones keeps its value. GanfitError when the photos' landmarks are not the same
    points.
    """
    views = [
        landmark_pairs(photo, model.morphable, model.vertices(p), p.camera)
        for photo, p in zip(photos, parameters, strict=True)
    ]
    if len({len(pairs.weight) for pairs in views}) > 1:
        raise GanfitError("The photos' landmarks come from different detectors; open all photos with the same one.")
    energy = _Energy(views, model, prior, parameters)
    normal, descent = energy.normal_equations(free)
    before, damping = energy(parameters), state.damping
    while damping < LAST_DAMPING:
        step = torch.linalg.solve(normal + damping * torch.diag(normal.diagonal()), descent)
        candidate = _moved(parameters, -step)
        lower = energy(candidate)
        if lower < before:
            return candidate, AlignState(damping / 5, converged=bool(before - lower < CONVERGED * before))
        damping *= 5
    return list(parameters), AlignState(damping, converged=True)


class _Energy:
    """What the stage minimises, with its derivatives at one set of parameters.

    Unknowns are ordered p_s, then p_e and p_c of each photo.
    """

    def __init__(
        self,
        views: Sequence[LandmarkPairs],
        model: FaceModel,
        prior: ShapePrior,
        parameters: Sequence[FaceParameters],
    ) -> None:
        self.views, self.model, self.prior, self.at = views, model, prior, parameters
        self.weight = torch.stack([pairs.weight for pairs in views]).mean(0)
        self.limit = HUBER * math.sqrt(len(views))
        slopes = [_slopes(pairs, model, p) for pairs, p in zip(views, parameters, strict=True)]
        self.by_shape, self.by_own = [s.by_shape for s in slopes], [s.by_own for s in slopes]
        shift = BIAS_SD * torch.cat([s.by_position for s in slopes], 1)  # (L, 2n, 3)
        covariance = NOISE_SD**2 * torch.eye(shift.shape[1]) + shift @ shift.mT
        self.whitening = torch.linalg.inv(torch.linalg.cholesky(covariance))

    def __call__(self, parameters: Sequence[FaceParameters]) -> Tensor:
        distance = self._residuals(parameters).norm(dim=1)
        huber = torch.where(distance < self.limit, distance.square(), self.limit * (2 * distance - self.limit))
        return (self.weight * huber).sum() + self._priors(parameters).square().sum()

    def normal_equations(self, free: Collection[str]) -> tuple[Tensor, Tensor]:
        """JᵀJ and Jᵀr of the reweighted least squares. A coefficient that is not free has no slope, and 1 on the
        diagonal: its part of the step is 0."""
        residual = self._residuals(self.at)
        slope = self.whitening @ self._slope()
        root = (self.weight * (self.limit / residual.norm(dim=1).clamp(min=self.limit))).sqrt()
        rows = torch.cat([(root[:, None, None] * slope).flatten(0, 1), self._prior_slope()])
        moves = self._moves(free)
        rows = rows * moves
        values = torch.cat([(root[:, None] * residual).flatten(), self._priors(self.at)])
        return rows.T @ rows + torch.diag(1 - moves), rows.T @ values

    def _residuals(self, parameters: Sequence[FaceParameters]) -> Tensor:
        """Of each landmark over all photos, whitened, (L, 2n)."""
        pixels = [
            project(pairs.surface.on(self.model.vertices(p)), p.camera, LANDMARK_SIZE)[:, :2] - pairs.observed
            for pairs, p in zip(self.views, parameters, strict=True)
        ]
        return (self.whitening @ torch.cat(pixels, 1)[..., None])[..., 0]

    def _slope(self) -> Tensor:
        """Derivatives of the pixels by the unknowns, (L, 2n, unknowns)."""
        rows = []
        for k, (shape, own) in enumerate(zip(self.by_shape, self.by_own, strict=True)):
            others = [own if j == k else torch.zeros_like(own) for j in range(len(self.views))]
            rows.append(torch.cat([shape, *others], 2))
        return torch.cat(rows, 1)

    def _priors(self, parameters: Sequence[FaceParameters]) -> Tensor:
        """What is standard normal before any landmark is seen."""
        own = [torch.cat([p.expression, _camera_prior(p.camera)]) for p in parameters]
        return torch.cat([self.prior.deviations(parameters[0].identity), *own])

    def _prior_slope(self) -> Tensor:
        """Derivatives of the priors by the unknowns."""
        blocks = [self.prior.whitening]
        for p in self.at:
            blocks += [torch.eye(p.expression.numel()), jacobian(_camera_prior, p.camera)]
        return torch.block_diag(*blocks)

    def _moves(self, free: Collection[str]) -> Tensor:
        """1 for every unknown that may move, 0 for the others."""
        (shape, *own), count = _columns(self.at[0]), len(self.at)
        return torch.cat([torch.full((n,), float(name in free)) for name, n in (shape, *own * count)])


@dataclass(frozen=True)
class _Slopes:
    """Derivatives of one photo's landmarks in pixels.

    by_shape     (L, 2, S) by p_s
    by_own       (L, 2, E + 7) by p_e and p_c
    by_position  (L, 2, 3) by the point's place on the face, mm
    """

    by_shape: Tensor
    by_own: Tensor
    by_position: Tensor


def _slopes(pairs: LandmarkPairs, model: FaceModel, parameters: FaceParameters) -> _Slopes:
    positions, camera = pairs.surface.on(model.vertices(parameters)), parameters.camera

    def pixels(points: Tensor, camera: Tensor) -> Tensor:
        return project(points, camera, LANDMARK_SIZE)[:, :2]

    by_camera = jacobian(lambda c: pixels(positions, c), camera, vectorize=True)  # (L, 2, 7)
    # A point's pixel depends on that point alone, so the derivatives of the sums are those of all points.
    by_position = jacobian(lambda x: pixels(x, camera).sum(0), positions).transpose(0, 1)  # (L, 2, 3)
    by_shape, by_expression = (
        torch.einsum("lij,klj->lik", by_position, pairs.surface.on(basis))
        for basis in (model.morphable.identity_basis, model.morphable.expression_basis)
    )
    return _Slopes(by_shape, torch.cat([by_expression, by_camera], 2), by_position)


def _camera_prior(camera: Tensor) -> Tensor:
    """Standardised deviations of the viewing distance and the target from what a portrait has."""
    distance, target = (camera[:3] - camera[3:6]).norm(), camera[3:6]
    return torch.cat([((distance.log() - LOG_DISTANCE_MEAN) / LOG_DISTANCE_SD)[None], target / TARGET_SD])


def _moved(parameters: Sequence[FaceParameters], step: Tensor) -> list[FaceParameters]:
    """The photos' parameters after one step of all unknowns."""
    (_, shared), *own = _columns(parameters[0])
    steps = step[shared:].view(len(parameters), -1)
    moved = []
    for p, part in zip(parameters, steps, strict=True):
        values = dict(zip((name for name, _ in own), part.split([n for _, n in own]), strict=True))
        moved.append(
            p.replace(identity=p.identity + step[:shared], **{n: getattr(p, n) + v for n, v in values.items()})
        )
    return moved


def _columns(parameters: FaceParameters) -> list[tuple[str, int]]:
    """The groups that the stage moves and their sizes, in the order of the unknowns."""
    return [(name, getattr(parameters, name).numel()) for name in ALIGNED]
