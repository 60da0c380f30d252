"""Makes the UV layout (Sec. 2.1.1): the face is unwrapped with little distortion; eyes and mouth get own islands.

The paper unwraps by a cylindrical projection. On this mesh that folds at the nostrils, lips, ears and below the chin.
So the outline of the face is laid on an oval. The inside follows Tutte's embedding, which has no folds (Tutte 1963;
mean-value weights, Floater 2003). Then it is relaxed under the symmetric Dirichlet energy (Smith and Schaefer 2015),
which becomes infinite before a triangle folds.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.interpolate import RBFInterpolator
from scipy.sparse.linalg import splu

from ganfit_nb.training.shape.subdivision import border_loops

OUTLINE_POWER = 2.25  # of a superellipse; 2 is a circle, larger ones reach into the corners, where the islands lie
OUTLINE_RADIUS = 0.495
ISLAND_CENTRE = 0.072  # distance of an island's centre from both sides of its corner
ISLAND_RADIUS = 0.063
PULL = 1e6  # energy of the springs: 0.001 of the side costs 1, beside a distortion of about 4
WARPS, WARP_POINTS = 16, 500
EYE_ANGLE = np.radians(125.0)  # from the eyeball's axis to the rim of its island


def unwrap_skin(
    vertices: Float[Array, "V 3"],
    faces: Int[Array, "F 3"],
    mirror: Int[Array, " V"],
    size: Float[Array, " F"],
    *,
    target: Float[Array, "V 2"] | None = None,
    trust: Bool[Array, " V"] | None = None,
    iterations: int = 400,
) -> Float[Array, "V 2"]:
    """The uv of the skin's vertices, with v down, symmetric about u = 0.5, without folded triangles. Others are nan.

    `size` is the wanted scale of each triangle, relative to the others. It is also the weight of its distortion. The
    vertices in `trust` are pulled to their `target`.
    """
    loops = border_loops(faces)
    patched, _hub = _fill_holes(faces, loops[1:], len(vertices))
    points = np.concatenate([vertices, [vertices[loop].mean(0) for loop in loops[1:]]])
    mirror = np.concatenate([mirror, _mirror_hubs(points, len(vertices))])
    used = np.unique(patched)
    fixed = loops[0]
    uv = np.full((len(points), 2), np.nan)
    uv[fixed] = _outline(points, fixed, mirror)
    free = np.setdiff1d(used, fixed)
    laplacian = _mean_value_laplacian(points, patched)
    right_side = -laplacian[free][:, fixed] @ uv[fixed]
    uv[free] = splu(laplacian[free][:, free].tocsc()).solve(right_side)
    weight = np.concatenate([size, np.full(len(patched) - len(faces), 0.02)])
    scale = np.concatenate([size, np.full(len(patched) - len(faces), 1.0)])
    uv = _relax(points, patched, uv, free, scale, weight, iterations)
    if target is not None and trust is not None:
        pulled = np.flatnonzero(trust)
        pull = (pulled, target[pulled])
        for _ in range(WARPS):
            uv = _warped(patched, uv, free, pull)
            uv = _relax(points, patched, uv, free, scale, weight, iterations // WARPS, pull)
    uv = (uv + (uv[mirror] * [-1, 1] + [1, 0])) / 2
    return uv[: len(vertices)]


def _outline(points: Array, loop: Array, mirror: Array) -> Float[Array, "b 2"]:
    """The border vertices on a superellipse, at their arc length from the top. Both halves are mirror images."""
    on_midline = np.flatnonzero(mirror[loop] == loop)
    top = on_midline[points[loop[on_midline], 1].argmax()]
    ring = np.roll(loop, -top)
    bottom = int(np.flatnonzero(mirror[ring] == ring)[1])
    step = np.linalg.norm(np.diff(points[np.append(ring, ring[0])], axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(step)])
    first, second = (
        length[: bottom + 1] / length[bottom],
        (length[bottom:-1] - length[bottom]) / (length[-1] - length[bottom]),
    )
    angle = np.pi * np.concatenate([first[:-1], 1 + second])  # counted from the top
    side = 1.0 if points[ring[bottom // 2], 0] > 0 else -1.0
    direction = np.stack([side * np.sin(angle), -np.cos(angle)], 1)
    radius = (np.abs(direction) ** OUTLINE_POWER).sum(1) ** (-1 / OUTLINE_POWER)
    placed = np.empty((len(loop), 2))
    placed[np.roll(np.arange(len(loop)), -top)] = 0.5 + OUTLINE_RADIUS * radius[:, None] * direction
    return placed


def _fill_holes(faces: Array, holes: list[Array], vertex_count: int) -> tuple[Array, Array]:
    fans = [
        np.stack([np.roll(hole, -1), hole, np.full(len(hole), vertex_count + k)], 1) for k, hole in enumerate(holes)
    ]
    return np.concatenate([faces, *fans]), np.arange(len(holes)) + vertex_count


def _mirror_hubs(points: Array, start: int) -> Int[Array, " h"]:
    hubs = points[start:]
    return start + np.linalg.norm(hubs[:, None] * [-1, 1, 1] - hubs[None], axis=2).argmin(1)


def _warped(faces: Array, uv: Array, free: Array, pull: tuple[Array, Array]) -> Float[Array, "V 2"]:
    """uv, moved towards the targets by a smooth warp as far as no triangle folds.

    The warp is a thin-plate spline through some of the targets. Without it the relaxation needs thousands of turns.
    """
    chosen = np.random.default_rng(0).permutation(len(pull[0]))[:WARP_POINTS]
    border = np.setdiff1d(np.unique(faces), free)[::4]
    start = np.concatenate([uv[pull[0][chosen]], uv[border]])
    way = np.concatenate([pull[1][chosen] - uv[pull[0][chosen]], np.zeros((len(border), 2))])
    move = np.zeros_like(uv)
    move[free] = RBFInterpolator(start, way, smoothing=1e-4, kernel="thin_plate_spline")(uv[free])
    for share in 0.5 ** np.arange(12):
        if not _folds(uv + share * move, faces):
            return uv + share * move
    return uv


def _folds(uv: Array, faces: Array) -> bool:
    a, b, c = (uv[faces[:, k]] for k in range(3))
    return bool(((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] >= 0).any())  # v points down


def _mean_value_laplacian(points: Array, faces: Array) -> sp.csr_matrix:
    rows, columns, values = [], [], []
    for k in range(3):
        a, b, c = (faces[:, (k + j) % 3] for j in range(3))
        ab, ac = points[b] - points[a], points[c] - points[a]
        rb, rc = np.linalg.norm(ab, axis=1), np.linalg.norm(ac, axis=1)
        cosine = np.clip((ab * ac).sum(1) / (rb * rc), -1, 1)
        tangent = np.sqrt((1 - cosine) / (1 + cosine + 1e-9)) + 1e-6
        rows += [a, a]
        columns += [b, c]
        values += [tangent / rb, tangent / rc]
    n = len(points)
    weights = sp.coo_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(n, n))
    return sp.csr_matrix(sp.diags(np.asarray(weights.sum(1)).ravel()) - weights.tocsr())


def _relax(
    points: Array,
    faces: Array,
    uv: Array,
    free: Array,
    scale: Array,
    weight: Array,
    iterations: int,
    pull: tuple[Array, Array] = (np.zeros(0, int), np.zeros((0, 2))),
) -> Float[Array, "V 2"]:
    """Minimises the symmetric Dirichlet energy by descent in the metric of a Laplacian (Kovalsky et al. 2016).

    No triangle folds. Springs pull the vertices pull[0] to the places pull[1].
    """
    edge1, edge2 = points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]]
    length = np.linalg.norm(edge1, axis=1)
    along = (edge1 * edge2).sum(1) / length
    area = np.linalg.norm(np.cross(edge1, edge2), axis=1) / 2
    height = 2 * area / length
    # With `scale` times this length unit on every triangle, the whole sheet fills the outline.
    covered = np.pi * OUTLINE_RADIUS**2 * 1.03
    unit = np.sqrt(covered / (area * scale**2).sum())
    inverse = np.zeros((len(faces), 2, 2))
    inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1] = 1 / length, -along / (length * height), 1 / height
    to_sheet = torch.from_numpy(inverse / (unit * scale)[:, None, None])
    amount = torch.from_numpy(area * weight / (area * weight).sum())
    index = torch.from_numpy(faces)
    pulled, goal = torch.from_numpy(pull[0]), torch.from_numpy(pull[1])

    def energy(position: torch.Tensor) -> torch.Tensor:
        corner = position[index]
        sides = torch.stack([corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]], 2)
        jacobian = sides @ to_sheet
        # Because v points down, an outward triangle has a negative determinant in (u, v).
        determinant = jacobian[:, 0, 1] * jacobian[:, 1, 0] - jacobian[:, 0, 0] * jacobian[:, 1, 1]
        squared = (jacobian**2).sum((1, 2))
        value = (amount * squared * (1 + 1 / determinant**2)).sum()
        value = value + PULL / max(len(pulled), 1) * (position[pulled] - goal).square().sum()
        return torch.where((determinant > 0).all(), value, torch.full_like(value, torch.inf))

    metric = _weighted_laplacian(faces, amount.numpy() * 2 / (unit * scale) ** 2, points)
    springs = np.bincount(pull[0], minlength=len(points)) * 2 * PULL / max(len(pull[0]), 1)
    solve = splu((metric + sp.diags(springs))[free][:, free].tocsc()).solve
    position = torch.from_numpy(uv).nan_to_num()
    step = 1.0
    for _ in range(iterations):
        position.requires_grad_(True)
        value = energy(position)
        (gradient,) = torch.autograd.grad(value, position)
        position = position.detach()
        direction = torch.zeros_like(position)
        direction[free] = -torch.from_numpy(solve(gradient[free].numpy()))
        slope = float((gradient * direction).sum())
        step = min(4 * step, 1.0)
        while energy(position + step * direction) > value + 0.1 * step * slope and step > 1e-9:
            step /= 2
        position = position + step * direction
    return np.where(np.isnan(uv), np.nan, position.numpy())


def _weighted_laplacian(faces: Array, weight: Array, points: Array) -> sp.csr_matrix:
    rows, columns, values = [], [], []
    for k in range(3):
        a, b, c = (faces[:, (k + j) % 3] for j in range(3))
        u, v = points[a] - points[c], points[b] - points[c]
        cotangent = (u * v).sum(1) / np.maximum(np.linalg.norm(np.cross(u, v), axis=1), 1e-9)
        edge = np.clip(cotangent, 0.02, 20) * weight / 2
        rows += [a, b]
        columns += [b, a]
        values += [edge, edge]
    n = len(points)
    w = sp.coo_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(n, n)).tocsr()
    return sp.csr_matrix(sp.diags(np.asarray(w.sum(1)).ravel() + 1e-12) - w)


def unwrap_eye(points: Float[Array, "n 3"], left: bool) -> Float[Array, "n 2"]:
    """The uv of an eyeball, seen along +z, on a disc in a top corner.

    The iris, near the axis, gets more room than its size.
    """
    offset = points - points.mean(0)
    angle = np.arctan2(np.linalg.norm(offset[:, :2], axis=1), offset[:, 2])
    radius = ISLAND_RADIUS * (angle / EYE_ANGLE) ** 0.8
    direction = offset[:, :2] / np.maximum(np.linalg.norm(offset[:, :2], axis=1, keepdims=True), 1e-9)
    centre = np.array([1 - ISLAND_CENTRE if left else ISLAND_CENTRE, ISLAND_CENTRE])
    return centre + radius[:, None] * direction * [1, -1]


def unwrap_mouth_half(makehuman_uv: Float[Array, "n 2"], left: bool) -> Float[Array, "n 2"]:
    """The uv of one half of the mouth's interior in a bottom corner, from MakeHuman's texture coordinates."""
    low, high = makehuman_uv.min(0), makehuman_uv.max(0)
    size = 1.4 * ISLAND_RADIUS / (high - low).max()
    placed = (makehuman_uv - (low + high) / 2) * size
    centre = np.array([1 - ISLAND_CENTRE * 0.85 if left else ISLAND_CENTRE * 0.85, 1 - ISLAND_CENTRE * 0.85])
    return centre + placed * [1, -1]
