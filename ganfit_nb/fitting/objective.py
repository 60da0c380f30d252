"""E(p), the weighted objective of Eq. 12, for all views of all people of a fit.

What views share is computed once a person: texture, and the second view of Eq. 7, which every photo of the person is
compared with. All pictures go through the recogniser together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.morphable import JAW
from ganfit_nb.face.shape_prior import ShapePrior
from ganfit_nb.fitting.known_shape import known_shape
from ganfit_nb.fitting.landmark_pairs import LANDMARK_SIZE, LandmarkPairs, landmark_pairs
from ganfit_nb.fitting.losses import (
    LossWeights,
    content_distance,
    cosine_distance,
    landmark_distance,
    pixel_distance,
    prior,
)
from ganfit_nb.fitting.second_view import light_deviation, second_view
from ganfit_nb.fitting.skin_seen import SkinSeen
from ganfit_nb.fitting.views import Views
from ganfit_nb.networks.identity import IdentityFeatures, IdentityNetwork
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer import Rendering
from ganfit_nb.renderer.camera import eye, frontal_camera, project

Terms = dict[str, Float[Tensor, " V"]]
PICTURES = {"identity", "content", "pixel"}  # the terms that look at I^R


@dataclass(frozen=True)
class Evaluation:
    """The objective at one point: every computed term for each view, its weight, and the pictures of all views if they
    had to be rendered."""

    terms: Terms
    weights: dict[str, float]
    rendering: Rendering | None

    @property
    def totals(self) -> Float[Tensor, " V"]:
        """Σ λ L (Eq. 12) of each view; zero when every weight is."""
        if not self.terms:
            return torch.zeros(1)
        return torch.stack([self.weights[name] * term for name, term in self.terms.items()]).sum(0)


@dataclass(frozen=True)
class Objective:
    """Compares faces with photos, one a view. What depends on the photos alone is computed once.

    seed          of the second views (Eq. 7), the same for every person: so nobody's fit depends on who else is there
    shape_priors  what is known of the shape of each person
    occlusion     whether what hides the skin counts for nothing in Eq. 10 (`skin_seen.py`)
    """

    photos: tuple[Photo, ...]
    views: Views
    model: FaceModel
    network: IdentityNetwork
    seed: int
    shape_priors: tuple[ShapePrior, ...]
    occlusion: bool = True

    @classmethod
    def of(
        cls,
        people: Sequence[Sequence[Photo]],
        model: FaceModel,
        network: IdentityNetwork,
        *,
        size: int,
        seed: int = 0,
        informed_prior: bool = True,
        occlusion: bool = True,
    ) -> Objective:
        """For all photos of each person, at `size` pixels."""
        seen, people = model.seen_at(size), [[photo.at(size) for photo in photos] for photos in people]
        priors = tuple(known_shape(photos, seen, network, informed_prior) for photos in people)
        views = Views.of([len(photos) for photos in people])
        photos = tuple(photo for photos in people for photo in photos)
        return cls(photos, views, seen, network, seed, priors, occlusion)

    def only(self, person: int) -> Objective:
        """That of one person."""
        shown = zip(self.photos, self.views.person, strict=True)
        photos = tuple(photo for photo, whose in shown if whose == person)
        priors = (self.shape_priors[person],)
        return replace(self, photos=photos, views=Views.of([len(photos)]), shape_priors=priors)

    def at(self, size: int) -> Objective:
        """The same objective in pictures of another side, px, with a texture to match."""
        if size == self.size:
            return self
        photos = tuple(photo.at(size).to(self.device) for photo in self.photos)
        return replace(self, photos=photos, model=self.model.seen_at(size))

    def to(self, device: torch.device | str) -> Objective:
        """The same objective computed on another device."""
        if torch.device(device) == self.device:
            return self
        photos = tuple(photo.to(device) for photo in self.photos)
        priors = tuple(prior.to(device) for prior in self.shape_priors)
        model, network = self.model.to(device), self.network.to(device)
        return replace(self, photos=photos, model=model, network=network, shape_priors=priors)

    @property
    def size(self) -> int:
        """Side of the photos and of the renderings, in pixels."""
        return self.photos[0].size

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self.photos[0].image.device

    @cached_property
    def images(self) -> Float[Tensor, "V H W 3"]:
        """I⁰ of each view."""
        return torch.stack([photo.image for photo in self.photos])

    @cached_property
    def photo_features(self) -> IdentityFeatures:
        """F(I⁰): embedding and activations of each photo."""
        return self.network.features(self.crop(self.images, torch.stack([photo.landmarks for photo in self.photos])))

    @cached_property
    def _skin_seen(self) -> SkinSeen:
        return SkinSeen.together(self.photos, self.occlusion)

    @cached_property
    def _shrink(self) -> int:
        """How many pixels of a rendering become one of a crop, of the mean face: the same for all pictures, so that
        nothing jumps and nothing depends on who else is there."""
        mean = self.model.mean_parameters().to(self.device)
        return self.network.shrink(self.model.landmarks(self.model.vertices(mean), mean.camera, self.size))

    def crop(self, images: Float[Tensor, "N H W 3"], landmarks: Float[Tensor, "N 68 2"]) -> Float[Tensor, "N 3 S S"]:
        """Pictures aligned by their landmarks as the network was trained (Sec. 3.3.4)."""
        return self.network.crop(images.permute(0, 3, 1, 2), landmarks, self._shrink)

    def evaluate(self, parameters: FaceParameters, weights: LossWeights, index: int) -> Evaluation:
        """Every term of Eq. 12 whose weight is not 0, for parameters as `Views` orders them. `index` chooses the second
        view of Eq. 7."""
        wanted = weights.active()
        vertices = self.model.morphable.vertices(self.views.per_view(parameters.identity), parameters.expression)
        terms: Terms = {}
        rendering = None
        if wanted.keys() & {*PICTURES, "second_identity"}:
            rendering = self._compare_pictures(terms, wanted, parameters, vertices, index)
        if "landmark" in wanted:
            terms["landmark"] = self._landmark(vertices, parameters.camera)
        if "shape_prior" in wanted:
            terms["shape_prior"] = self._shape_prior(parameters)
        if "light_prior" in wanted:
            terms["light_prior"] = prior(light_deviation(parameters.light))
        if "texture_prior" in wanted:
            terms["texture_prior"] = self.views.per_view(prior(parameters.texture))
        return Evaluation({name: terms[name] for name in wanted}, wanted, rendering)

    def _compare_pictures(
        self, terms: Terms, wanted: dict[str, float], parameters: FaceParameters, vertices: Tensor, index: int
    ) -> Rendering | None:
        """Adds the terms of I^R, one a view, and of Î^R, one a person."""
        albedo = self.model.texture(parameters.texture)
        crops, rendering = [], None
        if wanted.keys() & PICTURES:
            rendering = self.model.render_parts(vertices, self.views.per_view(albedo), parameters, self.size)
        if rendering and wanted.keys() & {"identity", "content"}:
            crops.append(self._rendered_crops(rendering, vertices, parameters))
        if "second_identity" in wanted:
            second = second_view(parameters, self.seed, index)
            turned = self.model.vertices(second)
            drawn = self.model.render_parts(turned, albedo, second, self.size)
            crops.append(self._rendered_crops(drawn, turned, second))
        if rendering and "pixel" in wanted:
            terms["pixel"] = pixel_distance(self.images, rendering.image, self._pixel_weight(rendering))
        if crops:
            features = self.network.features(torch.cat(crops))
            seen = len(self.photos) if wanted.keys() & {"identity", "content"} else 0
            self._compare_features(terms, wanted, *features.split(seen))
        return rendering

    def _compare_features(
        self, terms: Terms, wanted: dict[str, float], first: IdentityFeatures, second: IdentityFeatures
    ) -> None:
        if "identity" in wanted:
            terms["identity"] = self._identity(first.embedding)
        if "content" in wanted:
            terms["content"] = content_distance(self.photo_features.activations, first.activations)
        if "second_identity" in wanted:
            terms["second_identity"] = self._identity(self.views.per_view(second.embedding))

    def _rendered_crops(self, rendering: Rendering, vertices: Tensor, views: FaceParameters) -> Tensor:
        return self.crop(rendering.image, self.model.landmarks(vertices, views.camera, self.size))

    def _pixel_weight(self, rendering: Rendering) -> Float[Tensor, "V H W"]:
        """How much each pixel counts in Eq. 10."""
        return self._skin_seen.weight(self.model, rendering)

    def _identity(self, embedding: Float[Tensor, "V D"]) -> Tensor:
        return cosine_distance(self.photo_features.embedding, embedding) / self.network.different_people

    @cached_property
    def _pairs(self) -> list[LandmarkPairs]:
        mean, camera = self.model.morphable.mean, frontal_camera().to(self.device)
        return [landmark_pairs(photo, self.model.morphable, mean, camera) for photo in self.photos]

    def _landmark(self, vertices: Float[Tensor, "V n 3"], cameras: Float[Tensor, "V 7"]) -> Tensor:
        """Eq. 11. The jaw's points are those of the outline that each camera sees now."""
        jaw, inner = self.model.morphable.jaw_positions(vertices, eye(cameras)), self._pairs[0].surface[JAW:]
        projected = project(torch.cat([jaw, inner.on(vertices)], 1), cameras, LANDMARK_SIZE)[..., :2]
        shown = self._pairs[0].with_gaps(projected.transpose(0, 1)).transpose(0, 1)
        observed, weight = (torch.stack([getattr(p, name) for p in self._pairs]) for name in ("observed", "weight"))
        return landmark_distance(shown, observed, weight)

    def _shape_prior(self, parameters: FaceParameters) -> Tensor:
        """Of p_s and p_e together."""
        known = zip(self.shape_priors, parameters.identity, strict=True)
        shape = self.views.per_view(torch.stack([prior.deviations(p_s) for prior, p_s in known]))
        expression = parameters.expression @ self.model.morphable.expression_whitening.T
        return prior(torch.cat([shape, expression], 1))
