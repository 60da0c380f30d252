"""Smooth outlines, and the gradient of moving them, after the idea of Laine et al. 2020, "analytic antialiasing".

A rasteriser samples the picture at pixel centres, so an outline moves in jumps and its derivative is lost. Here an
outline that crosses the line between the centres of two neighbouring pixels blends the pixel it crosses with what
is on its other side, by the distance from the pixel's border. Coverage then varies continuously with the vertices.

Two things differ from Laine et al. They look at the face each pixel shows, which misses outlines of faces smaller than
a pixel (here most of them); this walks along the edges of the mesh that are outlines on the screen. And where the
surface reaches into a pixel it takes the colour of the outline itself, not of the neighbour: near an outline
shading changes so fast that the difference biases the gradient by a tenth.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ganfit_nb.renderer.camera import NEAR
from ganfit_nb.renderer.fragments import Fragments
from ganfit_nb.renderer.lists import indices, length, repeated

# How many crossings a GPU has room for, for each row of pixels: of all outlines, and of those in front of something. A
# head that fills its picture needs 60 and 4.
CROSSED, SHOWN = 128, 16


class Outlines(NamedTuple):
    """How outlines blend pictures, and the K points on them whose colour that takes (as triangles' corners and bary).

    Each pixel in `to` takes `weight` <= 1/2 of colour `source`: a pixel, or (number of pixels + 1) + k for the k-th
    point. Pixels and vertices are counted through all views, as in `Fragments`, and an unused row blends a pixel after
    the last one.
    """

    to: Int[Tensor, " M"]
    source: Int[Tensor, " M"]
    weight: Float[Tensor, " M"]
    corners: Int[Tensor, "K 3"]
    bary: Float[Tensor, "K 3"]

    def blend(self, pixels: Float[Tensor, "N C"], points: Float[Tensor, "K C"]) -> Float[Tensor, "N C"]:
        """Smooths the outlines of a picture in place; differentiable in all colours and in the weights."""
        colours = torch.cat([pixels, points]).index_select(0, torch.cat([self.source, self.to]))
        source, to = colours.chunk(2)
        return pixels.index_add_(0, self.to, self.weight[:, None] * (source - to))


class _Crossings(NamedTuple):
    """Where outlines cross lines through pixel centres: rows, or columns (`transposed`)."""

    edge: Int[Tensor, "M 3"]  # its two vertices, and one on the side of its faces
    transposed: Bool[Tensor, " M"]
    line: Int[Tensor, " M"]  # the row (or column)
    border: Int[Tensor, " M"]  # the column (or row) after the border between the two pixels
    inner: Int[Tensor, " M"]  # the one of the two pixels on the side of the edge's faces
    outer: Int[Tensor, " M"]
    reach: Float[Tensor, " M"]  # from 0 at the inner pixel's centre to 1 at the outer one's
    shown: Bool[Tensor, " M"]  # in front of what the outer pixel shows

    def at(self, index: Int[Tensor, " n"]) -> _Crossings:
        return _Crossings(*(value[index] for value in self))


@lru_cache(maxsize=8)
def edge_table(faces: Int[Tensor, "F 3"]) -> Int[Tensor, "E 4"]:
    """Each edge's two vertices and the vertices opposite it in its two faces (the same one twice at a border).

    Cached for the tensor object, which is not to be changed afterwards. Where more than two faces meet, two count.
    """
    half_edges = faces[:, [1, 2, 2, 0, 0, 1]].reshape(-1, 2)
    _, edge = torch.unique(half_edges.sort(1).values, dim=0, return_inverse=True)
    edge, order = edge.sort(stable=True)
    half_edges, opposite = half_edges[order], faces.reshape(-1)[order]
    first = torch.ones_like(edge, dtype=torch.bool)
    first[1:] = edge[1:] != edge[:-1]
    shared = ~first.roll(-1)
    shared[-1:] = False
    other = torch.where(shared, opposite.roll(-1), opposite)
    return torch.cat([half_edges, opposite[:, None], other[:, None]], 1)[first]


def no_outlines(screen: Float[Tensor, "*n V 3"]) -> Outlines:
    """Nothing to blend: a picture with jagged outlines and no gradient from them."""
    none = torch.empty(0, dtype=torch.int64, device=screen.device)
    return Outlines(none, none, screen.new_empty(0), none.view(0, 3), screen.new_empty(0, 3))


def find_outlines(screen: Float[Tensor, "*n V 3"], faces: Int[Tensor, "F 3"], fragments: Fragments) -> Outlines:
    """The outlines in the pictures of `screen`; weights and bary are differentiable in `screen`.

    An edge is an outline where it is the border of the mesh or both its faces lie on the same side of it on the screen,
    and where the outer pixel shows something farther away. Where surfaces pass through each other there is no edge,
    hence no blend. Each pixel is blended once, by the largest weight: for a straight outline that is the one
    along the axis it is steeper to, within 1/8 of the covered area.
    """
    count, pixels, room = screen.shape[-2], fragments.pix_to_face.numel(), SHOWN * _rows(fragments)
    screen = screen.reshape(-1, 3)
    with torch.no_grad():
        first = torch.arange(0, len(screen), count, device=screen.device)  # vertex of each view
        edges, used = _outline_edges(screen, (edge_table(faces) + first[:, None, None]).view(-1, 4))
        found, complete = _crossings(screen, edges, used, count, fragments)
        index, used = indices(found.shown, room)
        complete &= found.shown.sum() <= len(index)
        found = found.at(index)
        spills = found.reach > 0.5  # into the outer pixel; else what is behind shows in the inner one
        to = torch.where(spills, found.outer, found.inner)
        used = used & _last_of_each(torch.where(used, found.inner * pixels + found.outer, -1), found.reach)
        used = used & _last_of_each(torch.where(used, to, -1), (found.reach - 0.5).abs())
        index, used = indices(used, room)
        found, to, spills = found.at(index), torch.where(used, to[index], pixels), spills[index]
        source = torch.where(spills, pixels + spills.cumsum(0), found.outer)
        points, _ = indices(spills, room)

    ends = torch.where(used[:, None, None], _ends(screen, found.edge, found.transposed), _no_edge(screen))
    crossing, near_a, near_b = _meet(ends, found.line)
    weight = torch.where(complete, (crossing - found.border).abs(), torch.nan)
    bary = torch.stack([near_a, near_b, torch.zeros_like(near_a)], 1) / (near_a + near_b)[:, None]
    return Outlines(torch.where(complete, to, 0), source, weight, found.edge[points], bary.index_select(0, points))


def _rows(fragments: Fragments) -> int:
    """Of all pictures together."""
    return fragments.pix_to_face.numel() // fragments.pix_to_face.shape[-1]


def _outline_edges(screen: Float[Tensor, "V 3"], edges: Int[Tensor, "E 4"]) -> tuple[Tensor, Tensor]:
    """The edges that are outlines on the screen, (S, 3): two vertices, and one on the side of the edge's faces. Then
    which rows are used."""
    a, b, one, two = (screen.index_select(0, edges[:, k]) for k in range(4))
    side, other = (_cross(b - a, opposite - a) for opposite in (one, two))
    in_front = torch.stack([a[:, 2], b[:, 2], one[:, 2], two[:, 2]]).amin(0) > NEAR
    index, used = indices((side * other > 0) & in_front, len(edges))
    return edges[index, :3], used


def _crossings(
    screen: Float[Tensor, "V 3"], edges: Int[Tensor, "S 3"], used: Bool[Tensor, " S"], count: int, fragments: Fragments
) -> tuple[_Crossings, Bool[Tensor, ""]]:
    """All crossings of edges with lines through pixel centres of their picture, and whether there was room for them. A
    view has `count` vertices."""
    size, pixels = fragments.pix_to_face.shape[-1], fragments.pix_to_face.numel()
    edge, transposed, line, used, complete = _crossed_lines(screen, edges, used, fragments)
    crossing, near_a, near_b = _meet(ends := _ends(screen, edge, transposed), line)
    a, b, faces_side = ends.unbind(1)
    inner_after = (_cross(b - a, faces_side - a) > 0) == (b[:, 1] < a[:, 1])
    border = (crossing + 0.5).floor()
    reach = 0.5 + torch.where(inner_after, border - crossing, crossing - border)
    inside = used & (border > 0) & (border < size)
    border = torch.where(inside, border, 1).long()
    first, down = edge[:, 0] // count * size**2, torch.where(transposed, 1, size)  # from a line to the next
    right = size + 1 - down  # from a border to the next
    inner, outer = (first + line * down + (border - before.long()) * right for before in (~inner_after, inner_after))

    zbuf = fragments.depth.new_full((pixels + 1,), torch.inf).index_copy(0, fragments.pixels, fragments.depth)
    behind = zbuf[outer]
    shown = inside & (zbuf[inner] < behind) & (1 / (near_a + near_b) < behind)
    return _Crossings(edge, transposed, line, border, inner, outer, reach, shown), complete


def _crossed_lines(
    screen: Float[Tensor, "V 3"], edges: Int[Tensor, "S 3"], used: Bool[Tensor, " S"], fragments: Fragments
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """For every crossing its edge (M, 3), whether columns play the rows' part, and the row (or column) that is crossed.
    Then which of these are used, and whether there was room for all."""
    size = fragments.pix_to_face.shape[-1]
    edges, used = torch.cat([edges, edges]), torch.cat([used, used])
    transposed = torch.arange(len(edges), device=edges.device) >= len(edges) // 2
    y = _ends(screen, edges, transposed)[:, :2, 1]
    # an edge crosses the line at k + 1/2 if that lies in [lower end, upper end)
    first, end = (y.amin(1) - 0.5).ceil().clamp(0, size), (y.amax(1) - 0.5).ceil().clamp(0, size)
    lines = torch.where(used, end - first, 0).long()
    crossed = length(lines, CROSSED * _rows(fragments))
    i, number, used = repeated(lines, 0, crossed)
    line = torch.where(used, first.long()[i] + number, 0)
    return edges[i], transposed[i], line, used, lines.sum() <= crossed


def _ends(screen: Tensor, edge: Int[Tensor, "M 3"], transposed: Bool[Tensor, " M"]) -> Float[Tensor, "M 3 3"]:
    """Screen positions of the three vertices, x and y exchanged where columns play the rows' part."""
    ends = screen.index_select(0, edge.reshape(-1)).view(-1, 3, 3)
    return torch.where(transposed[:, None, None], torch.cat([ends[..., :2].flip(-1), ends[..., 2:]], -1), ends)


def _no_edge(screen: Tensor) -> Float[Tensor, "3 3"]:
    """Positions for unused rows: some that give finite numbers and no gradient."""
    return screen.new_ones(3, 3).tril().flip(1)


def _meet(ends: Float[Tensor, "M 3 3"], line: Int[Tensor, " M"]) -> tuple[Tensor, Tensor, Tensor]:
    """x where edges cross the line through row `line`'s pixel centres, and the two ends' shares of 1/depth there."""
    (xa, ya, za), (xb, yb, zb) = ends[:, 0].unbind(1), ends[:, 1].unbind(1)
    along = (line + 0.5 - ya) / (yb - ya)
    return xa + along * (xb - xa), (1 - along) / za, along / zb


def _cross(a: Float[Tensor, "n 3"], b: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    """z of the cross product on the screen: the side of a on which b lies."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _last_of_each(group: Int[Tensor, " M"], value: Float[Tensor, " M"]) -> Bool[Tensor, " M"]:
    """Which value is the greatest of its group, the later one among equals."""
    order = value.sort(stable=True).indices
    order = order[group[order].sort(stable=True).indices]
    last = torch.ones_like(order, dtype=torch.bool)
    last[:-1] = group[order][1:] != group[order][:-1]
    return last.scatter(0, order, last)
