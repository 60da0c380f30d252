"""Subdivides part of a triangle mesh by Loop's scheme (Loop 1987), as a linear map of its vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int
from numpy import ndarray as Array


@dataclass(frozen=True)
class Subdivision:
    """The finer mesh and the linear maps to it.

    faces   (F', 3)
    parent  (F',) the coarse triangle that each fine one lies in
    smooth  (V', V) Loop's weights, for positions and displacements
    linear  (V', V) midpoints alone, for values that must stay within their triangle, such as uv
    """

    faces: Int[Array, "Fs 3"]
    parent: Int[Array, " Fs"]
    smooth: sp.csr_matrix
    linear: sp.csr_matrix


def loop_subdivision(faces: Int[Array, "F 3"], vertex_count: int, chosen: Bool[Array, " F"]) -> Subdivision:
    """Splits the chosen triangles in four. Their neighbours are bisected, so that no T-junction is left.

    Loop's rules apply only where every triangle around is chosen, so the rest of the mesh does not move.
    """
    corners = faces[:, [[0, 1], [1, 2], [2, 0]]]  # (F, 3, 2): edge k runs from corner k to corner k+1
    edges, edge_of, count = np.unique(
        np.sort(corners, 2).reshape(-1, 2), axis=0, return_inverse=True, return_counts=True
    )
    edge_of = edge_of.reshape(-1, 3)
    split = np.zeros(len(edges), bool)
    split[edge_of[chosen]] = True
    new_index = np.where(split, vertex_count + np.cumsum(split) - 1, -1)
    fine, parent = _split_faces(faces, new_index[edge_of])
    interior = (count == 2) & (np.bincount(edge_of[chosen].ravel(), minlength=len(edges)) == 2)
    linear = _midpoints(edges, split, vertex_count)
    smooth = _loop_weights(faces, edges, edge_of, split, interior, vertex_count, chosen)
    return Subdivision(fine, parent, smooth, linear)


def _split_faces(faces: Array, middles: Array) -> tuple[Array, Array]:
    """The fine triangles and the parent of each. `middles` (F, 3) has the new vertex on each edge, or -1."""
    fine, parent = [], []
    number = (middles >= 0).sum(1)
    for k in range(4):
        index = np.flatnonzero(number == k)
        # Turn each triangle so that its split edges come first. With two of them the unsplit edge is the last.
        pattern = middles[index] >= 0
        turn = {0: np.zeros(len(index), int), 1: pattern.argmax(1), 2: (~pattern).argmax(1) + 1, 3: 0 * index}[k]
        order = (turn[:, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(faces[index], order, 1).T
        m, n, o = np.take_along_axis(middles[index], order, 1).T
        pieces = {
            0: [(a, b, c)],
            1: [(a, m, c), (m, b, c)],
            2: [(m, b, n), (a, m, n), (a, n, c)],
            3: [(a, m, o), (m, b, n), (o, n, c), (m, n, o)],
        }[k]
        fine += [np.stack(piece, 1) for piece in pieces]
        parent += [index] * len(pieces)
    return np.concatenate(fine), np.concatenate(parent)


def _midpoints(edges: Array, split: Array, vertex_count: int) -> sp.csr_matrix:
    ends = edges[split]
    rows = np.arange(len(ends))
    half = sp.coo_matrix(
        (np.full(2 * len(ends), 0.5), (np.tile(rows, 2), ends.T.ravel())), shape=(len(ends), vertex_count)
    )
    return sp.vstack([sp.identity(vertex_count), half]).tocsr()


def _loop_weights(
    faces: Array, edges: Array, edge_of: Array, split: Array, interior: Array, vertex_count: int, chosen: Array
) -> sp.csr_matrix:
    opposite = sp.coo_matrix(
        (np.ones(faces.size), (edge_of.ravel(), np.roll(faces, 1, axis=1).ravel())), shape=(len(edges), vertex_count)
    ).tocsr()
    ends = sp.coo_matrix(
        (np.ones(edges.size), (np.repeat(np.arange(len(edges)), 2), edges.ravel())), shape=(len(edges), vertex_count)
    ).tocsr()
    inside = sp.diags(interior.astype(float))
    new = inside @ (ends * (3 / 8) + opposite * (1 / 8)) + (sp.identity(len(edges)) - inside) @ ends * 0.5
    # Old vertices are smoothed by Loop's beta where all the triangles around them are chosen.
    inner = np.ones(vertex_count, bool)
    inner[faces[~chosen]] = False
    inner[edges[~interior]] = False
    inner &= np.bincount(faces.ravel(), minlength=vertex_count) > 0
    neighbours = sp.coo_matrix(
        (np.ones(2 * len(edges)), (edges.ravel(), edges[:, ::-1].ravel())), shape=(vertex_count, vertex_count)
    ).tocsr()
    valence = np.maximum(np.asarray(neighbours.sum(1)).ravel(), 1)
    beta = (5 / 8 - (3 / 8 + np.cos(2 * np.pi / valence) / 4) ** 2) / valence
    beta = np.where(inner, beta, 0.0)
    old = sp.diags(1 - beta * valence) + sp.diags(beta) @ neighbours
    return sp.vstack([old, new[split]]).tocsr()


def border_smoothing(
    faces: Int[Array, "F 3"], border: Int[Array, " b"], vertex_count: int, rounds: int
) -> sp.csr_matrix:
    """(V, V) map that smooths a jagged border.

    In each round a border vertex becomes the mean of its two border neighbours and itself, with weights (1, 2, 1)/4.
    """
    edges, count = np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], 2).reshape(-1, 2), axis=0, return_counts=True)
    on_border = np.isin(edges, border).all(1) & (count == 1)
    i, j = edges[on_border].T
    near = sp.coo_matrix(
        (np.ones(2 * len(i)), (np.concatenate([i, j]), np.concatenate([j, i]))), shape=(vertex_count, vertex_count)
    ).tocsr()
    degree = np.asarray(near.sum(1)).ravel()
    mean_of_neighbours = sp.diags(1 / np.maximum(degree, 1)) @ near
    once = sp.diags(np.where(degree > 0, 0.5, 1.0)) + 0.5 * mean_of_neighbours
    result = sp.identity(vertex_count)
    for _ in range(rounds):
        result = once @ result
    return sp.csr_matrix(result)


def border_loops(faces: Int[Array, "F 3"]) -> list[Int[Array, " b"]]:
    """The closed border curves, the longest first. Each has vertex indices in the order of the triangles' winding."""
    directed = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    codes = {(int(a), int(b)) for a, b in directed}
    following = {a: b for a, b in codes if (b, a) not in codes}
    loops = []
    while following:
        start, nxt = following.popitem()
        loop = [start]
        while nxt != start:
            loop.append(nxt)
            nxt = following.pop(nxt)
        loops.append(np.array(loop))
    return sorted(loops, key=lambda loop: (-len(loop), int(loop.min())))
