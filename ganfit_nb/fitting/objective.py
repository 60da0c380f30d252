"""E(p), the weighted objective of Eq. 12, for one photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.shape_prior import ShapePrior
from ganfit_nb.fitting.known_shape import known_shape
from ganfit_nb.fitting.landmark_pairs import LANDMARK_SIZE, landmark_pairs
from ganfit_nb.fitting.losses import (
    LossWeights,
    content_distance,
    cosine_distance,
    landmark_distance,
    pixel_distance,
    prior,
)
from ganfit_nb.fitting.second_view import light_deviation, second_view
from ganfit_nb.networks.identity import IdentityFeatures, IdentityNetwork
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer import Rendering
from ganfit_nb.renderer.camera import project


@dataclass(frozen=True)
class Evaluation:
    """The objective at one point: every computed term, its weight, and the picture if one had to be rendered."""

    terms: dict[str, Tensor]
    weights: dict[str, float]
    rendering: Rendering | None

    @property
    def total(self) -> Float[Tensor, ""]:
        """Σ λ L (Eq. 12); zero when every weight is."""
        if not self.terms:
            return torch.zeros(())
        return torch.stack([self.weights[name] * term for name, term in self.terms.items()]).sum()

    def beside(self, terms: dict[str, Tensor]) -> Evaluation:
        """The same with further terms of weight 1."""
        return replace(self, terms=self.terms | terms, weights=self.weights | dict.fromkeys(terms, 1.0))


@dataclass(frozen=True)
class Objective:
    """Compares a face with one photo. What depends on the photo alone is computed once."""

    photo: Photo
    model: FaceModel
    network: IdentityNetwork
    seed: int
    shape_prior: ShapePrior

    def to(self, device: torch.device | str) -> Objective:
        """The same objective computed on another device."""
        parts = (self.photo.to(device), self.model.to(device), self.network.to(device))
        return Objective(*parts, self.seed, self.shape_prior.to(device))

    @property
    def size(self) -> int:
        """Side of the photo and of the renderings, in pixels."""
        return self.photo.size

    @cached_property
    def photo_features(self) -> IdentityFeatures:
        """F(I⁰): embedding and activations of the photo."""
        return self.network.features(self.crop(self.photo.image, self.photo.landmarks)[None])

    @cached_property
    def _inside(self) -> Tensor:
        return self.photo.inside.to(self.photo.image.device)

    def crop(self, image: Float[Tensor, "H W 3"], landmarks: Float[Tensor, "68 2"]) -> Float[Tensor, "3 S S"]:
        """A picture aligned by its landmarks as the network was trained (Sec. 3.3.4)."""
        return self.network.crop(image.permute(2, 0, 1), landmarks)

    def evaluate(self, parameters: FaceParameters, weights: LossWeights, index: int) -> Evaluation:
        """Every term of Eq. 12 whose weight is not 0. `index` chooses the second view of Eq. 7."""
        wanted = weights.active()
        vertices = self.model.vertices(parameters)
        terms: dict[str, Tensor] = {}
        rendering = None
        if wanted.keys() & {"identity", "content", "pixel", "second_identity"}:
            rendering = self._compare_pictures(terms, wanted, parameters, vertices, index)
        if "landmark" in wanted:
            terms["landmark"] = self._landmark(vertices, parameters.camera)
        if "shape_prior" in wanted:
            expression = self.model.morphable.expression_whitening @ parameters.expression
            terms["shape_prior"] = prior(self.shape_prior.deviations(parameters.identity), expression)
        if "light_prior" in wanted:
            terms["light_prior"] = prior(light_deviation(parameters.light))
        if "texture_prior" in wanted:
            terms["texture_prior"] = prior(parameters.texture)
        return Evaluation({name: terms[name] for name in wanted}, wanted, rendering)

    def _compare_pictures(
        self,
        terms: dict[str, Tensor],
        wanted: dict[str, float],
        parameters: FaceParameters,
        vertices: Tensor,
        index: int,
    ) -> Rendering | None:
        """Adds the terms of I^R and Î^R. Both share the texture, and one pass of the network."""
        albedo = self.model.texture(parameters.texture)
        crops, rendering = {}, None
        if wanted.keys() & {"identity", "content", "pixel"}:
            rendering = self.model.render_parts(vertices, albedo, parameters, self.size)
            if "pixel" in wanted:
                terms["pixel"] = pixel_distance(self.photo.image, rendering.image, self._pixel_weight(rendering))
            if wanted.keys() & {"identity", "content"}:
                crops["first"] = self._rendered_crop(rendering, vertices, parameters)
        if "second_identity" in wanted:
            view = second_view(parameters, self.seed, index)
            turned = self.model.vertices(view)
            crops["second"] = self._rendered_crop(
                self.model.render_parts(turned, albedo, view, self.size), turned, view
            )
        if crops:
            features = self.network.features(torch.stack(list(crops.values())))
            self._compare_features(terms, wanted, dict(zip(crops, features.rows(), strict=True)))
        return rendering

    def _compare_features(
        self, terms: dict[str, Tensor], wanted: dict[str, float], features: dict[str, IdentityFeatures]
    ) -> None:
        if "identity" in wanted:
            terms["identity"] = self._identity(features["first"])
        if "content" in wanted:
            terms["content"] = content_distance(self.photo_features.activations, features["first"].activations)
        if "second_identity" in wanted:
            terms["second_identity"] = self._identity(features["second"])

    def _rendered_crop(self, rendering: Rendering, vertices: Tensor, view: FaceParameters) -> Tensor:
        return self.crop(rendering.image, self.model.landmarks(vertices, view.camera, self.size))

    @torch.no_grad()
    def _pixel_weight(self, rendering: Rendering) -> Tensor:
        """How much each pixel counts in Eq. 10: the skin seen, within the photo's borders."""
        return rendering.interpolate(self.model.morphable.pixel_region[:, None])[..., 0] * self._inside

    def _identity(self, features: IdentityFeatures) -> Tensor:
        distance = cosine_distance(self.photo_features.embedding[0], features.embedding[0])
        return distance / self.network.different_people

    def _landmark(self, vertices: Tensor, camera: Tensor) -> Tensor:
        pairs = landmark_pairs(self.photo, self.model.morphable, vertices, camera)
        projected = project(pairs.surface.on(vertices), camera, LANDMARK_SIZE)[:, :2]
        return landmark_distance(pairs.with_gaps(projected), pairs.observed, pairs.weight)


def objectives(
    photos: Sequence[Photo],
    model: FaceModel,
    network: IdentityNetwork,
    *,
    size: int,
    seed: int = 0,
    informed_prior: bool = True,
) -> list[Objective]:
    """E(p) of every photo of one person, at `size` pixels: all with one prior of the shape, each with second views of
    its own."""
    seen, photos = model.seen_at(size), [photo.at(size) for photo in photos]
    prior = known_shape(photos, seen, network, informed_prior)
    return [Objective(photo, seen, network, seed * len(photos) + k, prior) for k, photo in enumerate(photos)]
