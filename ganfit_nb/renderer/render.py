"""Eq. 6, I^R = R(S, T, p_c, p_l): deferred shading of a textured mesh, differentiable in all four."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.renderer.antialias import Outlines, find_outlines, no_outlines
from ganfit_nb.renderer.camera import eye, project
from ganfit_nb.renderer.fragments import Fragments
from ganfit_nb.renderer.interpolate import interpolate
from ganfit_nb.renderer.rasterize import backend, rasterize

CLAY = 0.7  # albedo of the geometry picture


@dataclass(frozen=True)
class Surface:
    """What the N covered pixels show, and K points on outlines after them, before shading."""

    albedo: Float[Tensor, "P 3"]
    normals: Float[Tensor, "P 3"]
    positions: Float[Tensor, "P 3"]

    def shaded(self, eye: Float[Tensor, " 3"], p_l: Float[Tensor, " 9"]) -> Float[Tensor, "P 3"]:
        """`lighting.phong` of these points."""
        return backend(eye.device).phong(self.albedo, self.normals, self.positions, eye, p_l)


@dataclass(frozen=True)
class Rendering:
    """A picture (H, W, 3), its coverage (H, W) in [0, 1], and what further pictures of the same view are made of.

    All are differentiable. The picture is not clamped: a highlight may exceed 1.
    """

    image: Float[Tensor, "H W 3"]
    alpha: Float[Tensor, "H W"]
    fragments: Fragments
    outlines: Outlines
    surface: Surface
    background: Float[Tensor, "H W 3"]
    eye: Float[Tensor, " 3"]

    @property
    def unlit(self) -> Float[Tensor, "H W 3"]:
        """The albedo alone, over the background."""
        return self.picture(self.surface.albedo)[..., :3]

    @property
    def normals(self) -> Float[Tensor, "H W 3"]:
        """Unit normals in model space, 0 in the background; not blended at outlines."""
        covered = self.surface.normals[: len(self.fragments.pixels)]
        return self.fragments.image(torch.nn.functional.normalize(covered, dim=1))

    @property
    def shaded_geometry(self) -> Float[Tensor, "H W 3"]:
        """The surface as grey clay under `geometry_light`, over the background."""
        clay = replace(self.surface, albedo=torch.full_like(self.surface.albedo, CLAY))
        return self.picture(clay.shaded(self.eye, geometry_light(self.eye)))[..., :3]

    def interpolate(self, attributes: Float[Tensor, "V C"]) -> Float[Tensor, "H W C"]:
        """Attributes of the vertices as an image, 0 in the background; not blended at outlines."""
        return interpolate(attributes, self.fragments)

    def picture(self, colours: Float[Tensor, "P 3"]) -> Float[Tensor, "H W 4"]:
        """RGB and coverage of the surface with these colours, over the background."""
        return _composite(colours, self.background, self.fragments, self.outlines)


def geometry_light(eye: Float[Tensor, " 3"]) -> Float[Tensor, " 9"]:
    """White light from above the eye, so that relief shows; little ambient."""
    above = eye.new_tensor([0.0, 0.6, 0.0]) * eye.norm()
    return torch.cat([eye + above, eye.new_tensor([0.85] * 3 + [0.2] * 3)]).detach()


def render(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    uv: Float[Tensor, "V 2"],
    texture: Float[Tensor, "Ht Wt 3"],
    p_c: Float[Tensor, " 7"],
    p_l: Float[Tensor, " 9"],
    size: int,
    *,
    sampling: Literal["pixel", "vertex"] = "pixel",
    background: Float[Tensor, " 3"] | Float[Tensor, "H W 3"] | None = None,
    antialias: bool = True,
) -> Rendering:
    """Renders a mesh (mm, faces counter-clockwise from outside) as a size × size picture.

    The albedo texture is sampled at every covered pixel, or at the vertices and interpolated, as in the paper; then
    the covered pixels are shaded by `lighting.phong`. The background is a colour, a picture of the same size or, by
    default, mid grey. Gradients reach vertices, texture, uv, p_c, p_l and the background, with `antialias` also through
    the outlines. Call it with the same `faces` object each time: what depends on it alone is cached.

    GanfitError for vertices that are not finite and for a camera without direction. Faces that reach behind the eye
    are left out.
    """
    if not bool(torch.isfinite(vertices.detach()).all()):
        raise GanfitError("The mesh has vertices that are not finite numbers; check the parameters it was made from.")
    screen = project(vertices, p_c, size)
    fragments = rasterize(screen, faces, size)
    outlines = find_outlines(screen, faces, fragments) if antialias else no_outlines(screen)
    surface = _surface(vertices, faces, uv, texture, fragments, outlines, sampling)
    colours = surface.shaded(eye(p_c), p_l)
    background = (vertices.new_full((3,), 0.5) if background is None else background).expand(size, size, 3)
    picture = _composite(colours, background, fragments, outlines)
    image, alpha = picture.split([3, 1], dim=-1)
    return Rendering(image, alpha[..., 0], fragments, outlines, surface, background, eye(p_c))


def _surface(
    vertices: Tensor,
    faces: Tensor,
    uv: Tensor,
    texture: Tensor,
    fragments: Fragments,
    outlines: Outlines,
    sampling: str,
) -> Surface:
    ours = backend(vertices.device)
    colour = uv if sampling == "pixel" else ours.sample_uv(texture, uv)
    at_vertices = torch.cat([ours.vertex_normals(vertices, faces), vertices, colour], 1)
    corners, bary = torch.cat([fragments.corners, outlines.corners]), torch.cat([fragments.bary, outlines.bary])
    attributes = ours.interpolate(at_vertices, corners, bary).split([3, 3, colour.shape[1]], dim=1)
    normals, positions, colour = (attribute.contiguous() for attribute in attributes)
    return Surface(ours.sample_uv(texture, colour) if sampling == "pixel" else colour, normals, positions)


def _composite(
    colours: Float[Tensor, "P 3"], background: Float[Tensor, "H W 3"], fragments: Fragments, outlines: Outlines
) -> Float[Tensor, "H W 4"]:
    opaque = torch.nn.functional.pad(colours, (0, 1), value=1.0)
    empty = torch.nn.functional.pad(background, (0, 1)).view(-1, 4)
    covered, points = opaque.split([len(fragments.pixels), len(outlines.bary)])
    picture = empty.index_copy_(0, fragments.pixels, covered)
    return outlines.blend(picture, points).view(*background.shape[:2], 4)
