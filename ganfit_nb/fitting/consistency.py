"""Photometric consistency: what several photos of one person show at the same place of the skin is the same.

A stage of `fit_set` between alignment and joint stage, which the paper does not have. Landmarks leave the depth of a
face open by millimetres, and no other term of Eq. 12 closes it, because a wrong texture explains what a wrong shape
shows. But a texture that all photos share does not: where the shape is wrong, brows, lips, moles and pores land on
other places of it from every view. Let d_v be the fine detail of photo v, x_jv the pixel where it shows point j of the
skin, and T one free map of the detail. Then the shape, expressions and cameras minimise, beside the alignment's energy,

    N (1 − δ) Σ_jv w_jv ρ((d_v(x_jv) − T_j) / σ) / Σ_j a_j,   T_j = Σ_v w_jv d_v(x_jv) / Σ_v w_jv,

(photometric bundle adjustment: Delaunoy & Pollefeys 2014, Alismail et al. 2016). a_j is the area of skin at point j.
w_jv is a_j times cos² of the angle at which the photo sees it, 0 where it is hidden. ρ is Cauchy's, and σ the median
deviation found. δ is σ² as a share of what it would be for photos that have nothing in common, so that photos of
different people tell little. T has a closed form, so it is eliminated from the normal equations (variable projection).

d is the logarithm of the photo's luminance, band-passed and divided by its own local amplitude, so that light which
varies slowly does not enter, whether brighter, from elsewhere or softer. Coarser bands would, and lead astray: on a
real scan with five photos, from the alignment's 1.05 mm, bands of 4, 2, 1.5 and 1 px end at 1.4, 1.07, 0.93 and
0.82 mm, and beginning with a coarse one ends nowhere better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.blur import gaussian_blur
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.morphable import MorphableModel, SurfacePoints
from ganfit_nb.fitting.gauss_newton import columns
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer import rasterize, vertex_normals
from ganfit_nb.renderer.camera import eye, project, projection_slopes

SIZE = 512  # px of the side of the photos that are compared, 0.55 mm each
FINE, WIDE = 1.0, 3.0  # px, the blurs between which the band lies
DARK, FAINT = 0.05, 0.02  # luminance, and amplitude of its logarithm, below which nothing is told apart
POINTS = 5000  # of the skin; with all 11,000 the result is the same
INDEPENDENT = 200.0  # N, as how many independent observations all detail counts; from 100 to 400 it matters little
ROBUST = 2.0  # deviations beyond two σ count ever less
MARGIN = 3  # px from the outline; what lies beyond it shows in the band
STEEP = 0.3  # cosine below which skin is seen at too flat an angle
HIDDEN = 3.0  # mm behind the surface that a pixel shows
MAD = 1.4826  # standard deviations of a normal variable in its median deviation
AGREED = 2e-3  # relative decrease below which the stage ends


class Consistency:
    """The detail of the photos of one person, and the points of the skin where it is compared."""

    def __init__(self, photos: Sequence[Photo], model: FaceModel) -> None:
        self.model = model
        self.photos = [photo.at(SIZE) for photo in photos]
        self.points = _skin_points(model.morphable)
        bases = (model.morphable.identity_basis, model.morphable.expression_basis)
        self.by_shape, self.by_expression = (self.points.on(basis) for basis in bases)  # (K, N, 3)
        self.details = [_detail(photo) for photo in self.photos]

    def seen(self, parameters: FaceParameters, photo: Photo) -> Float[Tensor, " N"]:
        """cos² of the angle at which a photo sees each point; 0 where it is hidden or the band reaches the outline."""
        vertices, faces = self.model.vertices(parameters), self.model.morphable.faces
        fragments = rasterize(project(vertices, parameters.camera, SIZE), faces, SIZE)
        place = project(self.points.on(vertices), parameters.camera, SIZE)
        normals = F.normalize(self.points.on(vertex_normals(vertices, faces)), dim=1)
        cos = (normals * F.normalize(eye(parameters.camera) - self.points.on(vertices), dim=1)).sum(1)
        outside = 1 - (fragments.zbuf > 0).float() * photo.inside
        near_outside = F.max_pool2d(outside[None], 2 * MARGIN + 1, 1, MARGIN)
        depth, blocked = _sampled(torch.cat([fragments.zbuf[None], near_outside]), place[:, :2]).unbind(1)
        shown = (place[:, 2] < depth + HIDDEN) & (cos > STEEP) & (blocked == 0)
        return shown * cos.square()


@dataclass(frozen=True)
class _Detail:
    """A photo's detail and its slopes by x and y, (3, H, W)."""

    maps: Tensor

    def at(self, pixels: Float[Tensor, "N 2"]) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 2"]]:
        """The values and slopes at these places."""
        values = _sampled(self.maps, pixels)
        return values[:, 0], values[:, 1:]


class Agreement:
    """The `Energy` of the photos' agreement. What is visible, σ and ρ's weights are those at the given parameters.

    disagreement  σ² in the variance that unrelated photos would have, (): 1 when nothing agrees
    """

    def __init__(self, of: Consistency, parameters: Sequence[FaceParameters]) -> None:
        self._of, self._at = of, parameters
        seen = torch.stack([of.seen(p, photo) for p, photo in zip(parameters, of.photos, strict=True)], 1)
        seen = seen * ((seen > 0).sum(1, keepdim=True) > 1)  # one photo alone agrees with itself
        area = _areas(of.points, of.model.vertices(parameters[0]))
        area = area / (area * (seen > 0).any(1)).sum().clamp(min=1e-6)
        values = self._values(parameters)
        robust = torch.ones_like(values)
        for _ in range(5):
            self._share = F.normalize(seen * robust, p=1.0, dim=1)  # of each photo in T
            deviation = self._deviations(values)
            sd = MAD * _median(deviation[seen > 0]).clamp(min=1e-3)
            robust = 1 / (1 + (deviation / (ROBUST * sd)).square())
        unrelated = (MAD * _median(values[seen > 0])).square() * (1 - 1 / len(parameters))
        self.disagreement = (sd.square() / unrelated.clamp(min=1e-6)).clamp(max=1.0)
        # As many observations as there are, of which those that are noise tell nothing.
        self._weight = INDEPENDENT * (1 - self.disagreement) * area[:, None] * seen / sd.square()
        self._robust, self._limit = robust, ROBUST * sd

    def __call__(self, parameters: Sequence[FaceParameters]) -> Tensor:
        """N Σ w ρ at other parameters, ()."""
        ratio = self._deviations(self._values(parameters)) / self._limit
        return (self._weight * self._limit.square() * ratio.square().log1p()).sum()

    def normal_equations(self) -> tuple[Tensor, Tensor]:
        """JᵀJ and Jᵀr, without the unknowns T."""
        sizes = [size for _, size in columns(self._at[0])]
        shared, own = sizes[0], sum(sizes[1:])
        total = shared + own * len(self._at)
        deviation, weight = self._deviations(self._values(self._at)), self._weight * self._robust
        normal, descent = torch.zeros(total, total), torch.zeros(total)
        map_rows = torch.zeros(len(weight), total)  # Σ_v w J_v, of each point's T
        for k, p in enumerate(self._at):
            rows, w = self._slopes(k, p), weight[:, k, None]
            place = torch.cat([torch.arange(shared), torch.arange(own) + shared + own * k])
            normal[place[:, None], place] += rows.T @ (w * rows)
            descent[place] += rows.T @ (w[:, 0] * deviation[:, k])
            map_rows[:, place] += w * rows
        map_rows = map_rows / weight.sum(1, keepdim=True).clamp(min=1e-9).sqrt()
        return normal - map_rows.T @ map_rows, descent

    def _values(self, parameters: Sequence[FaceParameters]) -> Float[Tensor, "N n"]:
        """d_v(x_jv)."""
        return torch.stack([self._value(k, p)[0] for k, p in enumerate(parameters)], 1)

    def _value(self, photo: int, p: FaceParameters) -> tuple[Tensor, Tensor]:
        pixels = project(self._of.points.on(self._of.model.vertices(p)), p.camera, SIZE)[:, :2]
        return self._of.details[photo].at(pixels)

    def _deviations(self, values: Float[Tensor, "N n"]) -> Float[Tensor, "N n"]:
        """d_v(x_jv) − T_j."""
        return values - (self._share * values).sum(1, keepdim=True)

    def _slopes(self, photo: int, p: FaceParameters) -> Float[Tensor, "N U"]:
        """Derivatives of a photo's values by p_s, its p_e and its p_c."""
        of = self._of
        by_position, by_camera = projection_slopes(of.points.on(of.model.vertices(p)), p.camera, SIZE)
        by_pixel = self._value(photo, p)[1][:, None]  # (N, 1, 2)
        by_position = (by_pixel @ by_position)[:, 0]  # (N, 3)
        modes = [torch.einsum("nj,knj->nk", by_position, basis) for basis in (of.by_shape, of.by_expression)]
        return torch.cat([*modes, (by_pixel @ by_camera)[:, 0]], 1)


def _skin_points(model: MorphableModel) -> SurfacePoints:
    """Centres of triangles of the face, of those that the photometric loss trusts."""
    trusted = model.face_region & (model.pixel_region > 0.5)
    faces = model.faces[trusted[model.faces].all(1)]
    chosen = torch.randperm(len(faces), generator=torch.Generator().manual_seed(0))[:POINTS]
    return SurfacePoints(faces[chosen], torch.full((len(chosen), 3), 1 / 3))


def _areas(points: SurfacePoints, vertices: Float[Tensor, "V 3"]) -> Float[Tensor, " N"]:
    a, b, c = vertices[points.corners].unbind(1)
    return torch.linalg.cross(b - a, c - a).norm(dim=1)


def _detail(photo: Photo) -> _Detail:
    luminance = (photo.image.clamp(min=0) + DARK).log().mean(2)[None]
    band = gaussian_blur(luminance, FINE) - gaussian_blur(luminance, WIDE)
    band = band / (gaussian_blur(band.square(), WIDE).sqrt() + FAINT)
    by_x = F.pad((band[:, :, 2:] - band[:, :, :-2]) / 2, (1, 1, 0, 0))
    by_y = F.pad((band[:, 2:] - band[:, :-2]) / 2, (0, 0, 1, 1))
    return _Detail(torch.cat([band, by_x, by_y]))


def _sampled(maps: Float[Tensor, "C H W"], pixels: Float[Tensor, "N 2"]) -> Float[Tensor, "N C"]:
    """Bilinear values of the maps at places in pixels."""
    grid = (pixels / SIZE * 2 - 1)[None, None]
    return F.grid_sample(maps[None], grid, padding_mode="border", align_corners=False)[0, :, 0].T


def _median(values: Float[Tensor, " n"]) -> Tensor:
    """Of absolute values; 0 of none."""
    return values.abs().median() if len(values) else values.new_zeros(())
