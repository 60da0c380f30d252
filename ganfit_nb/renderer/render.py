"""Eq. 6, I^R = R(S, T, p_c, p_l): deferred shading of a textured mesh, differentiable in all four."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.renderer.antialias import Outlines, find_outlines, no_outlines
from ganfit_nb.renderer.camera import eye, project
from ganfit_nb.renderer.fragments import NO_ROOM, Fragments
from ganfit_nb.renderer.interpolate import interpolate
from ganfit_nb.renderer.rasterize import backend, rasterize

CLAY = 0.7  # albedo of the geometry picture


@dataclass(frozen=True)
class ShadingPoints:
    """The points that are shaded: what the N covered pixels show, and K points on outlines after them.

    view  which picture each is in
    """

    albedo: Float[Tensor, "P 3"]
    normals: Float[Tensor, "P 3"]
    positions: Float[Tensor, "P 3"]
    view: Int[Tensor, " P"]

    def shaded(self, eye: Float[Tensor, "*n 3"], p_l: Float[Tensor, "*n 9"]) -> Float[Tensor, "P 3"]:
        """`lighting.phong` of these points."""
        eyes, lights = eye.reshape(-1, 3), p_l.reshape(-1, 9)
        return backend(eye.device).phong(self.albedo, self.normals, self.positions, eyes, lights, self.view)


@dataclass(frozen=True)
class Rendering:
    """Pictures (*n, H, W, 3), their coverage (*n, H, W) in [0, 1], and what further pictures of the same views are made
    of.

    All are differentiable. Pictures are not clamped: a highlight may exceed 1.
    """

    image: Float[Tensor, "*n H W 3"]
    alpha: Float[Tensor, "*n H W"]
    fragments: Fragments
    outlines: Outlines
    points: ShadingPoints
    background: Float[Tensor, "*n H W 3"]
    eye: Float[Tensor, "*n 3"]

    @property
    def unlit(self) -> Float[Tensor, "*n H W 3"]:
        """The albedo alone, over the background."""
        return self.picture(self.points.albedo)[..., :3]

    @property
    def normals(self) -> Float[Tensor, "*n H W 3"]:
        """Unit normals in model space, 0 in the background; not blended at outlines."""
        covered = self.points.normals[: len(self.fragments.pixels)]
        return self.fragments.image(torch.nn.functional.normalize(covered, dim=1))

    @property
    def shaded_geometry(self) -> Float[Tensor, "*n H W 3"]:
        """The surface as grey clay under `geometry_light`, over the background."""
        clay = replace(self.points, albedo=torch.full_like(self.points.albedo, CLAY))
        return self.picture(clay.shaded(self.eye, geometry_light(self.eye)))[..., :3]

    def interpolate(self, attributes: Float[Tensor, "*n V C"]) -> Float[Tensor, "*n H W C"]:
        """Attributes of the vertices as an image, 0 in the background; not blended at outlines."""
        return interpolate(attributes, self.fragments)

    def picture(self, colours: Float[Tensor, "P 3"]) -> Float[Tensor, "*n H W 4"]:
        """RGB and coverage of the surface with these colours, over the background."""
        return _composite(colours, self.background, self.fragments, self.outlines)


def geometry_light(eye: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 9"]:
    """White light from above the eye, so that relief shows; little ambient."""
    above = eye.new_tensor([0.0, 0.6, 0.0]) * eye.norm(dim=-1, keepdim=True)
    colours = eye.new_tensor([0.85] * 3 + [0.2] * 3).expand(*eye.shape[:-1], 6)
    return torch.cat([eye + above, colours], -1).detach()


def render(
    vertices: Float[Tensor, "*n V 3"],
    faces: Int[Tensor, "F 3"],
    uv: Float[Tensor, "V 2"],
    texture: Float[Tensor, "*n Ht Wt 3"],
    p_c: Float[Tensor, "*n 7"],
    p_l: Float[Tensor, "*n 9"],
    size: int,
    *,
    background: Float[Tensor, " 3"] | Float[Tensor, "H W 3"] | None = None,
    antialias: bool = True,
) -> Rendering:
    """Renders a mesh (mm, faces counter-clockwise from outside) as a size × size picture; with a leading dimension
    several views of it at once, each with its own vertices, texture, camera and light.

    The albedo texture is sampled at every covered pixel; then the covered pixels are shaded by `lighting.phong`. The
    background is a colour, a picture of the same size or, by default, mid grey. Gradients reach vertices, texture, uv,
    p_c, p_l and the background, with `antialias` also through the outlines. Call it with the same `faces` object each
    time: what depends on it alone is cached.

    GanfitError for vertices that are not finite and for a camera without direction; a GPU is not asked for these, and
    leaves out what has no finite place in the picture. Faces that reach behind the eye are left out, too. A picture for
    which a GPU has no room (`lists.py`) is NaN. No head needs so much.
    """
    if vertices.is_cpu and not bool(torch.isfinite(vertices.detach()).all()):
        raise GanfitError("The mesh has vertices that are not finite numbers; check the parameters it was made from.")
    screen = project(vertices, p_c, size)
    fragments = rasterize(screen, faces, size)
    outlines = find_outlines(screen, faces, fragments) if antialias else no_outlines(screen)
    points = _shading_points(vertices, faces, uv, texture, fragments, outlines)
    colours = points.shaded(eye(p_c), p_l)
    background = vertices.new_full((3,), 0.5) if background is None else background
    background = torch.where((fragments.pix_to_face == NO_ROOM)[..., None], torch.nan, background)
    picture = _composite(colours, background, fragments, outlines)
    image, alpha = picture.split([3, 1], dim=-1)
    return Rendering(image, alpha[..., 0], fragments, outlines, points, background, eye(p_c))


def _shading_points(
    vertices: Tensor, faces: Tensor, uv: Tensor, texture: Tensor, fragments: Fragments, outlines: Outlines
) -> ShadingPoints:
    ours, count = backend(vertices.device), len(uv)
    at_vertices = torch.cat(
        [ours.vertex_normals(vertices, faces), vertices, uv.expand(*vertices.shape[:-1], 2)], -1
    ).reshape(-1, 8)
    corners, bary = torch.cat([fragments.corners, outlines.corners]), torch.cat([fragments.bary, outlines.bary])
    attributes = ours.interpolate(at_vertices, corners, bary).split([3, 3, 2], dim=1)
    normals, positions, place = (attribute.contiguous() for attribute in attributes)
    view = corners[:, 0] // count
    albedo = ours.sample_uv(texture.reshape(-1, *texture.shape[-3:]), place, view)
    return ShadingPoints(albedo, normals, positions, view)


def _composite(
    colours: Float[Tensor, "P 3"], background: Float[Tensor, "*n H W 3"], fragments: Fragments, outlines: Outlines
) -> Float[Tensor, "*n H W 4"]:
    opaque = torch.nn.functional.pad(colours, (0, 1), value=1.0)
    empty = torch.nn.functional.pad(background.reshape(-1, 3), (0, 1, 0, 1))  # one pixel more, for unused rows
    covered, points = opaque.split([len(fragments.pixels), len(outlines.bary)])
    picture = empty.index_copy_(0, fragments.pixels, covered)
    return outlines.blend(picture, points)[:-1].view(*background.shape[:-1], 4)
