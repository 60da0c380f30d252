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
from ganfit_nb.fitting.views import Views
from ganfit_nb.networks.identity import IdentityFeatures, IdentityNetwork
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer import Rendering
from ganfit_nb.renderer.camera import project

Terms = dict[str, Float[Tensor, " V"]]
PICTURES = {"identity", "content", "pixel"}  # the terms that look at I^R


@dataclass(frozen=True)
class Evaluation:
    """The objective at one point: every computed term for each view, its weight, and the pictures if they had to be
    rendered."""

    terms: Terms
    weights: dict[str, float]
    renderings: list[Rendering]

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
    """

    photos: tuple[Photo, ...]
    views: Views
    model: FaceModel
    network: IdentityNetwork
    seed: int
    shape_priors: tuple[ShapePrior, ...]

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
    ) -> Objective:
        """For all photos of each person, at `size` pixels."""
        seen, people = model.seen_at(size), [[photo.at(size) for photo in photos] for photos in people]
        priors = tuple(known_shape(photos, seen, network, informed_prior) for photos in people)
        views = Views.of([len(photos) for photos in people])
        return cls(tuple(photo for photos in people for photo in photos), views, seen, network, seed, priors)

    def only(self, person: int) -> Objective:
        """That of one person."""
        shown = zip(self.photos, self.views.person, strict=True)
        photos = tuple(photo for photo, whose in shown if whose == person)
        priors = (self.shape_priors[person],)
        return replace(self, photos=photos, views=Views.of([len(photos)]), shape_priors=priors)

    def to(self, device: torch.device | str) -> Objective:
        """The same objective computed on another device."""
        if torch.device(device) == self.device:
            return self
        photos = tuple(photo.to(device) for photo in self.photos)
        priors = tuple(prior.to(device) for prior in self.shape_priors)
        return Objective(photos, self.views, self.model.to(device), self.network.to(device), self.seed, priors)

    @property
    def size(self) -> int:
        """Side of the photos and of the renderings, in pixels."""
        return self.photos[0].size

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self.photos[0].image.device

    @cached_property
    def photo_features(self) -> IdentityFeatures:
        """F(I⁰): embedding and activations of each photo."""
        return self.network.features(torch.stack([self.crop(p.image, p.landmarks) for p in self.photos]))

    @cached_property
    def _inside(self) -> list[Tensor]:
        return [photo.inside.to(self.device) for photo in self.photos]

    def crop(self, image: Float[Tensor, "H W 3"], landmarks: Float[Tensor, "68 2"]) -> Float[Tensor, "3 S S"]:
        """A picture aligned by its landmarks as the network was trained (Sec. 3.3.4)."""
        return self.network.crop(image.permute(2, 0, 1), landmarks)

    def evaluate(self, parameters: FaceParameters, weights: LossWeights, index: int) -> Evaluation:
        """Every term of Eq. 12 whose weight is not 0, for parameters as `Views` orders them. `index` chooses the second
        view of Eq. 7."""
        wanted = weights.active()
        vertices = self.model.morphable.vertices(self.views.per_view(parameters.identity), parameters.expression)
        terms: Terms = {}
        renderings: list[Rendering] = []
        if wanted.keys() & {*PICTURES, "second_identity"}:
            renderings = self._compare_pictures(terms, wanted, parameters, vertices, index)
        if "landmark" in wanted:
            terms["landmark"] = self._landmark(vertices, parameters.camera)
        if "shape_prior" in wanted:
            terms["shape_prior"] = self._shape_prior(parameters)
        if "light_prior" in wanted:
            terms["light_prior"] = prior(light_deviation(parameters.light))
        if "texture_prior" in wanted:
            terms["texture_prior"] = self.views.per_view(prior(parameters.texture))
        return Evaluation({name: terms[name] for name in wanted}, wanted, renderings)

    def _compare_pictures(
        self, terms: Terms, wanted: dict[str, float], parameters: FaceParameters, vertices: Tensor, index: int
    ) -> list[Rendering]:
        """Adds the terms of I^R, one a view, and of Î^R, one a person."""
        albedos = [self.model.texture(p_t) for p_t in parameters.texture]
        faces = self.views.apart(parameters)
        renderings, crops, second = [], [], []
        if wanted.keys() & PICTURES:
            shown = zip(vertices, faces, self.views.person, strict=True)
            renderings = [self.model.render_parts(v, albedos[k], face, self.size) for v, face, k in shown]
        if wanted.keys() & {"identity", "content"}:
            crops = [self._rendered_crop(*shown) for shown in zip(renderings, vertices, faces, strict=True)]
        if "second_identity" in wanted:
            first = [faces[self.views.person.index(person)] for person in range(len(albedos))]
            second = [self._second_crop(face, albedo, index) for face, albedo in zip(first, albedos, strict=True)]
        if "pixel" in wanted:
            terms["pixel"] = self._pixel(renderings)
        if crops or second:
            features = self.network.features(torch.stack([*crops, *second]))
            self._compare_features(terms, wanted, *features.split(len(crops)))
        return renderings

    def _compare_features(
        self, terms: Terms, wanted: dict[str, float], first: IdentityFeatures, second: IdentityFeatures
    ) -> None:
        if "identity" in wanted:
            terms["identity"] = self._identity(first.embedding)
        if "content" in wanted:
            terms["content"] = content_distance(self.photo_features.activations, first.activations)
        if "second_identity" in wanted:
            terms["second_identity"] = self._identity(self.views.per_view(second.embedding))

    def _second_crop(self, person: FaceParameters, albedo: Tensor, index: int) -> Tensor:
        view = second_view(person, self.seed, index)
        vertices = self.model.vertices(view)
        return self._rendered_crop(self.model.render_parts(vertices, albedo, view, self.size), vertices, view)

    def _rendered_crop(self, rendering: Rendering, vertices: Tensor, view: FaceParameters) -> Tensor:
        return self.crop(rendering.image, self.model.landmarks(vertices, view.camera, self.size))

    def _pixel(self, renderings: list[Rendering]) -> Tensor:
        shown = zip(self.photos, renderings, self._inside, strict=True)
        return torch.stack(
            [
                pixel_distance(photo.image, rendering.image, self._pixel_weight(rendering) * inside)
                for photo, rendering, inside in shown
            ]
        )

    @torch.no_grad()
    def _pixel_weight(self, rendering: Rendering) -> Tensor:
        """How much each pixel counts in Eq. 10: the skin seen."""
        return rendering.interpolate(self.model.morphable.pixel_region[:, None])[..., 0]

    def _identity(self, embedding: Float[Tensor, "V D"]) -> Tensor:
        return cosine_distance(self.photo_features.embedding, embedding) / self.network.different_people

    def _landmark(self, vertices: Float[Tensor, "V n 3"], cameras: Float[Tensor, "V 7"]) -> Tensor:
        distances = []
        for photo, shape, camera in zip(self.photos, vertices, cameras, strict=True):
            pairs = landmark_pairs(photo, self.model.morphable, shape, camera)
            projected = project(pairs.surface.on(shape), camera, LANDMARK_SIZE)[:, :2]
            distances.append(landmark_distance(pairs.with_gaps(projected), pairs.observed, pairs.weight))
        return torch.stack(distances)

    def _shape_prior(self, parameters: FaceParameters) -> Tensor:
        """Of p_s and p_e together."""
        known = zip(self.shape_priors, parameters.identity, strict=True)
        shape = self.views.per_view(torch.stack([prior.deviations(p_s) for prior, p_s in known]))
        expression = parameters.expression @ self.model.morphable.expression_whitening.T
        return prior(torch.cat([shape, expression], 1))
