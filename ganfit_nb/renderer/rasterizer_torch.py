"""The rasteriser in plain torch: for other devices, where numba is missing, and as the oracle of the compiled one.

All views are drawn at once, so on a GPU the number of launches does not grow with them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganfit_nb.renderer import lighting
from ganfit_nb.renderer.camera import NEAR
from ganfit_nb.renderer.fragments import NO_ROOM
from ganfit_nb.renderer.lists import length, repeated
from ganfit_nb.renderer.normals import vertex_normals
from ganfit_nb.renderer.sample_uv import sample_uv

__all__ = ["barycentric", "interpolate", "phong", "pix_to_face", "sample_uv", "vertex_normals"]

AT_ONCE, AT_ONCE_ON_GPU = 1_000_000, 60_000_000  # pairs of face and pixel tested at a time: 100 bytes each
ROOM = 12  # pairs for each pixel of the pictures on a GPU; a head needs 2, one that fills its picture 5 to 8
EMPTY = torch.iinfo(torch.int64).max


@torch.no_grad()
def pix_to_face(screen: Float[Tensor, "n V 3"], faces: Int[Tensor, "F 3"], size: int) -> Int[Tensor, "n H W"]:
    """The nearest face at every pixel centre, -1 for none; not differentiable. Faces nearer than NEAR are skipped.

    Every face is tested on the pixel centres in its box. Depth (float32, positive, so its bits sort) and face index
    go into one int64, so that the smallest at a pixel is the nearest face, the first in the list among equals.
    """
    x, y, z = screen.double()[:, faces].flatten(0, 1).unbind(-1)  # (n F, 3) each
    left, right = (x.amin(1) - 0.5).ceil().clamp(min=0), (x.amax(1) - 0.5).floor().clamp(max=size - 1)
    top, bottom = (y.amin(1) - 0.5).ceil().clamp(min=0), (y.amax(1) - 0.5).floor().clamp(max=size - 1)
    edges, plane, area = _edge_functions(x, y, z)
    drawn = (area != 0) & (z.amin(1) > NEAR) & (left <= right) & (top <= bottom)
    width = torch.where(drawn, right - left + 1, 1).long()
    pairs = width * torch.where(drawn, bottom - top + 1, 0).long()
    left, top = left.long(), top.long()

    pixels = len(screen) * size**2
    nearest = screen.new_full((pixels + 1,), EMPTY, dtype=torch.int64)  # the last one is for unused pairs
    tested, at_once = length(pairs, ROOM * pixels), AT_ONCE if screen.is_cpu else AT_ONCE_ON_GPU
    for first in range(0, tested, at_once):
        i, offset, used = repeated(pairs, first, min(first + at_once, tested))
        column, row = left[i] + offset % width[i], top[i] + offset // width[i]
        px, py = (column + 0.5).double(), (row + 0.5).double()
        used &= _inside(edges, i, px, py)
        depth = (1 / ((plane[i, 0] * px + plane[i, 1] * py) + plane[i, 2])).float()
        key = (depth.view(torch.int32).long() << 32) | (i % len(faces))
        key = torch.where(used, key, EMPTY)
        pixel = (i // len(faces) * size + row) * size + column
        nearest.scatter_reduce_(0, torch.where(used, pixel, pixels), key, "amin")
    found = torch.where(nearest == EMPTY, -1, nearest & 0xFFFFFFFF)[:-1].view(-1, size, size)
    return torch.where(pairs.sum() > tested, NO_ROOM, found)


def barycentric(
    screen: Float[Tensor, "V 3"], corners: Int[Tensor, "N 3"], pixels: Int[Tensor, " N"], width: int
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, " N"]]:
    """Perspective-correct barycentric coordinates and depth of the pixels' centres on the triangles `corners`.

    For the pixel -1, which stands for an unused row, these are constants.
    """
    used = (pixels >= 0)[:, None]
    triangle = screen.index_select(0, corners.reshape(-1)).view(-1, 3, 3)
    centre = torch.stack([pixels % width, pixels // width], 1)[:, None] + 0.5
    x, y = (triangle[..., :2] - centre).unbind(-1)
    z = torch.where(used, triangle[..., 2], 1.0)
    q = (x.roll(-1, 1) * y.roll(-2, 1) - y.roll(-1, 1) * x.roll(-2, 1)) / z
    q = torch.where(used, q, 1.0)
    bary = q / q.sum(1, keepdim=True)
    return bary, (bary * z).sum(1)


def interpolate(
    attributes: Float[Tensor, "V C"], corners: Int[Tensor, "N 3"], bary: Float[Tensor, "N 3"]
) -> Float[Tensor, "N C"]:
    """Attributes of vertices at points on triangles."""
    at_corners = attributes.index_select(0, corners.reshape(-1)).view(*corners.shape, -1)
    return (at_corners * bary[..., None]).sum(1)


def phong(
    albedo: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    positions: Float[Tensor, "n 3"],
    eyes: Float[Tensor, "v 3"],
    lights: Float[Tensor, "v 9"],
    view: Int[Tensor, " n"],
) -> Float[Tensor, "n 3"]:
    """`lighting.phong` of points that each belong to a view, with the view's eye and light."""
    return lighting.phong(albedo, normals, positions, eyes.index_select(0, view), lights.index_select(0, view))


def _edge_functions(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(F, 3, 3) edge functions a·px + b·py + c, positive inside; (F, 3) plane of 1/depth; (F,) twice the area.

    Written out as in the compiled kernel, operation by operation, so that both round alike.
    """
    (x0, x1, x2), (y0, y1, y2), (z0, z1, z2) = x.unbind(1), y.unbind(1), z.unbind(1)
    edges = torch.stack(
        [
            torch.stack([y1 - y2, x2 - x1, x1 * y2 - y1 * x2], 1),
            torch.stack([y2 - y0, x0 - x2, x2 * y0 - y2 * x0], 1),
            torch.stack([y0 - y1, x1 - x0, x0 * y1 - y0 * x1], 1),
        ],
        1,
    )
    area = edges[:, 0, 2] + edges[:, 1, 2] + edges[:, 2, 2]
    edges = torch.where((area < 0)[:, None, None], -edges, edges)
    area = area.abs()
    plane = (edges[:, 0] / z0[:, None] + edges[:, 1] / z1[:, None] + edges[:, 2] / z2[:, None]) / area[:, None]
    return edges, plane, area


def _inside(edges: Tensor, i: Tensor, px: Tensor, py: Tensor) -> Tensor:
    """Whether pixel centres (M,) lie in the faces i; one on an edge belongs to one face by the top-left rule.

    One edge function after the other, because all three at once would be most of the memory of a step.
    """
    inside = torch.ones_like(i, dtype=torch.bool)
    for k in range(3):
        a, b, c = edges[i, k].unbind(1)
        e = (a * px + b * py) + c
        inside &= (e > 0) | ((e == 0) & ((a > 0) | ((a == 0) & (b > 0))))
    return inside
