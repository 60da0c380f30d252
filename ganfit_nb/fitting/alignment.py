"""The first stage of Sec. 3.4: rough alignment of shape, expression and camera to the landmarks alone.

The paper descends by gradient. Landmarks are few and nearly linear in the parameters, so Gauss-Newton with
Levenberg-Marquardt damping arrives in about ten updates, where Adam needs hundreds. It minimises

    Σ_i ρ(r_iᵀ C_i⁻¹ r_i) + (p_s − μ)ᵀ Σ⁻¹ (p_s − μ) + Σ_v ‖W p_e‖² + the cameras' own prior,

the logarithm of a posterior with Gaussian priors (W: `MorphableModel.expression_whitening`); ρ is Huber's, so that a
hidden landmark does not bend the face. r_i has the residuals of landmark i in every photo v of the person. A detector
puts a landmark beside its place on the surface in the same way in all of them, by b_i ~ N(0, σ_b² I) mm, and in each it
errs by σ_v pixels of its own:

    C_i = σ_v² I + σ_b² J_i J_iᵀ,   J_i = ∂x_i / ∂b_i over all photos.

So many photos do not make the shared error smaller, but what moves against it when the head turns, the parallax, tells
of depth. The gaps between lids and between lips count as landmarks without b_i: both ends are off alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.shape_prior import ShapePrior
from ganfit_nb.fitting.landmark_pairs import LANDMARK_SIZE, LandmarkPairs, landmark_pairs
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer.camera import project, projection_slopes

# Standard deviations of a landmark: what photos of a person share, and what they do not, in 512ths of the image side
# (0.55 mm each). They are larger than those of a single landmark, since neighbours err alike: all of them together
# count as about 68 independent ones.
BIAS_SD, NOISE_SD = 2.5, 6.0
HUBER = 2.0  # residuals beyond two standard deviations count linearly
LOG_DISTANCE_MEAN, LOG_DISTANCE_SD = math.log(1000.0), 0.35  # portraits are taken from 0.5 to 2 m
TARGET_SD = 20.0  # mm; the photo's alignment already centres the face
SETTLED = 1e-4  # relative decrease below which the stage ends


def landmark_energy(
    photos: Sequence[Photo], model: FaceModel, prior: ShapePrior, parameters: Sequence[FaceParameters]
) -> LandmarkEnergy:
    """What the stage minimises, with its derivatives at `parameters`.

    GanfitError when the photos' landmarks are not the same points.
    """
    views = [
        landmark_pairs(photo, model.morphable, model.vertices(p), p.camera)
        for photo, p in zip(photos, parameters, strict=True)
    ]
    if len({len(pairs.weight) for pairs in views}) > 1:
        raise GanfitError("The photos' landmarks come from different detectors; open all photos with the same one.")
    return LandmarkEnergy(views, model, prior, parameters)


class LandmarkEnergy:
    """The `Energy` of the landmarks and of all priors."""

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
        """Its value at other parameters, ()."""
        distance = self._residuals(parameters).norm(dim=1)
        huber = torch.where(distance < self.limit, distance.square(), self.limit * (2 * distance - self.limit))
        return (self.weight * huber).sum() + self._priors(parameters).square().sum()

    def normal_equations(self) -> tuple[Tensor, Tensor]:
        """JᵀJ and Jᵀr of the reweighted least squares."""
        residual = self._residuals(self.at)
        slope = self.whitening @ self._slope()
        root = (self.weight * (self.limit / residual.norm(dim=1).clamp(min=self.limit))).sqrt()
        rows = torch.cat([(root[:, None, None] * slope).flatten(0, 1), self._prior_slope()])
        values = torch.cat([(root[:, None] * residual).flatten(), self._priors(self.at)])
        return rows.T @ rows, rows.T @ values

    def _residuals(self, parameters: Sequence[FaceParameters]) -> Tensor:
        """Of each landmark over all photos, whitened, (L, 2n)."""
        pixels = [
            pairs.with_gaps(project(pairs.surface.on(self.model.vertices(p)), p.camera, LANDMARK_SIZE)[:, :2])
            - pairs.observed
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
        whitening = self.model.morphable.expression_whitening
        own = [torch.cat([whitening @ p.expression, _camera_prior(p.camera)]) for p in parameters]
        return torch.cat([self.prior.deviations(parameters[0].identity), *own])

    def _prior_slope(self) -> Tensor:
        """Derivatives of the priors by the unknowns."""
        blocks = [self.prior.whitening]
        for p in self.at:
            blocks += [self.model.morphable.expression_whitening, jacobian(_camera_prior, p.camera)]
        return torch.block_diag(*blocks)


@dataclass(frozen=True)
class _Slopes:
    """Derivatives of one photo's landmarks in pixels.

    by_shape     (L + G, 2, S) by p_s
    by_own       (L + G, 2, E + 7) by p_e and p_c
    by_position  (L + G, 2, 3) by the point's place on the face, mm: 0 for gaps, whose ends are off alike
    """

    by_shape: Tensor
    by_own: Tensor
    by_position: Tensor


def _slopes(pairs: LandmarkPairs, model: FaceModel, parameters: FaceParameters) -> _Slopes:
    positions = pairs.surface.on(model.vertices(parameters))
    by_position, by_camera = projection_slopes(positions, parameters.camera, LANDMARK_SIZE)
    by_shape, by_expression = (
        torch.einsum("lij,klj->lik", by_position, pairs.surface.on(basis))
        for basis in (model.morphable.identity_basis, model.morphable.expression_basis)
    )
    by_own = torch.cat([by_expression, by_camera], 2)
    by_position = torch.cat([by_position, by_position.new_zeros(len(pairs.gaps), 2, 3)])
    return _Slopes(pairs.with_gaps(by_shape), pairs.with_gaps(by_own), by_position)


def _camera_prior(camera: Tensor) -> Tensor:
    """Standardised deviations of the viewing distance and the target from what a portrait has."""
    distance, target = (camera[:3] - camera[3:6]).norm(), camera[3:6]
    return torch.cat([((distance.log() - LOG_DISTANCE_MEAN) / LOG_DISTANCE_SD)[None], target / TARGET_SD])
