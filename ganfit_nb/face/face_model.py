"""Makes a face from its parameters: shape (Eq. 2), texture (Eq. 1 or 5) and a picture of both (Eq. 6)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.face.shape_prior import ShapeFromIdentity
from ganfit_nb.face.texture import PcaTexture, TextureModel
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.renderer import Rendering, render
from ganfit_nb.renderer.camera import eye, frontal_camera, project
from ganfit_nb.renderer.lighting import frontal_light


@dataclass(frozen=True)
class FaceModel:
    """The statistical models that a fit uses. Any MorphableModel and any TextureModel can be combined.

    shape_from_identity  what the shipped recogniser's embedding tells about p_s; None if it is not known for this shape
    """

    morphable: MorphableModel
    texture: TextureModel
    shape_from_identity: ShapeFromIdentity | None = None

    @classmethod
    def default(cls, texture: Literal["gan", "pca"] = "gan") -> FaceModel:
        """The models that ship with the package."""
        return cls(MorphableModel.default(), shipped_texture(texture), ShapeFromIdentity.default())

    def to(self, device: torch.device | str) -> FaceModel:
        """The same models on another device. This object does not change."""
        texture = self.texture
        if isinstance(texture, torch.nn.Module):
            texture = copy.deepcopy(texture).to(device)
        return replace(self, morphable=self.morphable.to(device), texture=texture)

    def seen_at(self, size: int) -> FaceModel:
        """The same models with albedo maps that are no finer than a picture of `size` pixels a side can show.

        Finer maps would cost time and cause aliasing.
        """
        return replace(self, texture=self.texture.at(size))

    def mean_parameters(self) -> FaceParameters:
        """The mean face, seen from the front under the frontal light."""
        return FaceParameters(
            identity=torch.zeros(self.morphable.identity_basis.shape[0]),
            expression=torch.zeros(self.morphable.expression_basis.shape[0]),
            texture=torch.zeros(self.texture.dim),
            camera=frontal_camera(),
            light=frontal_light(),
        )

    def vertices(self, parameters: FaceParameters) -> Float[Tensor, "*n V 3"]:
        """S(p_s, p_e) in mm (Eq. 2)."""
        return self.morphable.vertices(parameters.identity, parameters.expression)

    def landmarks(
        self, vertices: Float[Tensor, "*n V 3"], camera: Float[Tensor, "*n 7"], size: int
    ) -> Float[Tensor, "*n 68 2"]:
        """The 68 iBUG points of the mesh in pixels. Those of the jaw lie on the outline that this camera sees."""
        points = self.morphable.landmarks68(vertices, eye(camera))
        return project(points, camera, size)[..., :2]

    def render(self, parameters: FaceParameters, size: int) -> Rendering:
        """I^R = R(S(p_s, p_e), G(p_t), p_c, p_l) of Eq. 6, (size, size) pixels."""
        return self.render_parts(self.vertices(parameters), self.texture(parameters.texture), parameters, size)

    @torch.no_grad()
    def head(self, p_t: Float[Tensor, " t"], size: int) -> Float[Tensor, "size size 3"]:
        """A picture of the mean head with the texture p_t, seen from the front."""
        return self.render(self.mean_parameters().replace(texture=p_t), size).image.clamp(0.0, 1.0)

    def render_parts(
        self, vertices: Float[Tensor, "*n V 3"], albedo: Float[Tensor, "*n H W 3"], view: FaceParameters, size: int
    ) -> Rendering:
        """Renders a given mesh and albedo map with the camera and the light of `view`.

        Eq. 6 and 7 share the albedo map, so it is computed once for both.
        """
        return render(vertices, self.morphable.faces, self.morphable.uv, albedo, view.camera, view.light, size)


def shipped_texture(name: Literal["gan", "pca"]) -> TextureModel:
    """The texture GAN of Eq. 5, or the linear model of Eq. 1. Raises GanfitError for another name."""
    if name not in ("gan", "pca"):
        raise GanfitError(f"There is no texture model {name!r}; give gan or pca.")
    return GanTexture.default() if name == "gan" else PcaTexture.default()
