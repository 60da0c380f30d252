"""Finds MediaPipe's dense points on the 3DMM by deforming MediaPipe's canonical face mesh onto the mean face.

A thin-plate spline through anchors, which can be found on any face mesh, gives the start. Smooth non-rigid ICP (Amberg
et al. 2007, with the Laplacian of the canonical mesh as the stiffness) then moves the mesh onto the surface.
`landmark_refinement` corrects the remaining error by the detector itself.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float, Int
from numpy import ndarray as Array
from scipy.interpolate import RBFInterpolator
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from ganfit_nb.face.morphable import SurfacePoints
from ganfit_nb.geometry.closest_points import closest_points, plane_weights
from ganfit_nb.training.shape.parts import Part

IRIS_RADIUS = 5.9  # mm, of the human iris
STIFFNESS = (300.0, 100.0, 30.0, 10.0, 5.0, 3.0)


def find_anchors(vertices: Array, faces: Array, parts: Array) -> dict[int, Float[Array, " 3"]]:
    """Positions of some of MediaPipe's points, by index. The geometry of the mean face is enough to find these."""
    skin, mouth = vertices[parts == Part.SKIN], vertices[parts == Part.MOUTH]
    middle = skin[np.abs(skin[:, 0]) < 0.5]
    anchors = {1: middle[middle[:, 2].argmax()]}
    for part, outer, inner, upper, lower in ((Part.LEFT_EYE, 263, 362, 386, 374), (Part.RIGHT_EYE, 33, 133, 159, 145)):
        visible = _eye_opening(vertices, faces, parts, part)
        side = 1 if part == Part.LEFT_EYE else -1
        anchors[outer] = visible[(side * visible[:, 0]).argmax()]
        anchors[inner] = visible[(side * visible[:, 0]).argmin()]
        centre = visible[np.abs(visible[:, 0] - (anchors[outer][0] + anchors[inner][0]) / 2) < 1.0]
        anchors[upper], anchors[lower] = centre[centre[:, 1].argmax()], centre[centre[:, 1].argmin()]
    lips = mouth[cKDTree(skin).query(mouth)[0] < 1e-6]
    anchors[78], anchors[308] = lips[lips[:, 0].argmin()], lips[lips[:, 0].argmax()]
    middle_lips = lips[np.abs(lips[:, 0]) < 0.5]
    anchors[13], anchors[14] = middle_lips[middle_lips[:, 1].argmax()], middle_lips[middle_lips[:, 1].argmin()]
    below = middle[(middle[:, 1] < anchors[14][1] - 25)]
    # menton: the place where the profile turns from downwards to backwards
    anchors[152] = below[(below[:, 2] * 0.7 - below[:, 1]).argmax()]
    return anchors


def _eye_opening(vertices: Array, faces: Array, parts: Array, part: Part) -> Float[Array, "n 3"]:
    """The points of the eyeball that no skin covers, seen from the front."""
    ball = vertices[faces[parts[faces[:, 0]] == part]]  # (f, 3, 3)
    grid = np.array([(i, j, 8 - i - j) for i in range(9) for j in range(9 - i)]) / 8
    points = np.einsum("gk,fkc->fgc", grid, ball).reshape(-1, 3)
    points = points[points[:, 2] > ball[..., 2].mean()]
    low, high = points.min(0) - 2, points.max(0) + 2
    skin = vertices[faces[parts[faces[:, 0]] == Part.SKIN]]
    skin = skin[((skin > low) & (skin < high))[..., :2].all((1, 2))]
    flat = skin * [1, 1, 0]
    covered = [((plane_weights(p * [1, 1, 0], flat) >= 0).all(1) & (skin[..., 2].max(1) > p[2])).any() for p in points]
    return np.asarray(points[~np.array(covered)])


def closest_surface_points(
    points: Float[Array, "L 3"], vertices: Float[Array, "V 3"], faces: Int[Array, "F 3"]
) -> SurfacePoints:
    """The nearest point of the mesh to each point, fixed to the surface."""
    found = closest_points(points, vertices, faces)
    return SurfacePoints(torch.from_numpy(found.corners), torch.from_numpy(found.bary))


def nonrigid_icp(
    canonical: Float[Array, "468 3"],
    triangles: Int[Array, "T 3"],
    anchors: dict[int, Float[Array, " 3"]],
    vertices: Float[Array, "V 3"],
    faces: Int[Array, "F 3"],
) -> Float[Array, "468 3"]:
    """The canonical mesh, deformed onto the surface. `faces` are the triangles that it may lie on."""
    index = np.array(list(anchors))
    targets = np.array(list(anchors.values()))
    bent = RBFInterpolator(canonical[index], targets, kernel="linear", degree=1)(canonical)
    laplacian = _graph_laplacian(triangles, len(canonical))
    pinned = np.zeros(len(canonical))
    pinned[index] = 10.0
    for stiffness in STIFFNESS:
        closest = closest_surface_points(bent, vertices, faces).on(torch.from_numpy(vertices)).numpy()
        distance = np.linalg.norm(closest - bent, axis=1)
        trust = 1 / (1 + (distance / 5.0) ** 2)
        wished = trust[:, None] * (closest - bent)
        wished[index] += pinned[index, None] * (targets - bent[index])
        system = sp.diags(trust + pinned) + stiffness * laplacian.T @ laplacian
        bent = bent + splu(sp.csc_matrix(system)).solve(wished)
    return bent


def _graph_laplacian(triangles: Array, count: int) -> sp.csr_matrix:
    rows, columns = triangles.ravel(), np.roll(triangles, 1, axis=1).ravel()
    near = sp.coo_matrix((np.ones(2 * len(rows)), (np.r_[rows, columns], np.r_[columns, rows])), shape=(count, count))
    near = (near.tocsr() > 0).astype(float)
    degree = np.maximum(np.asarray(near.sum(1)).ravel(), 1)
    return sp.csr_matrix(sp.identity(count) - sp.diags(1 / degree) @ near)


def iris_points(vertices: Array, faces: Array, parts: Array) -> SurfacePoints:
    """MediaPipe's points 468-477: centre, right, top, left and bottom of each iris as the image shows them."""
    targets, eye_faces = [], []
    for part in (Part.RIGHT_EYE, Part.LEFT_EYE):
        ball = vertices[parts == part]
        centre = (ball.max(0) + ball.min(0)) / 2
        front = np.array([centre[0], centre[1], ball[:, 2].max()])
        targets += [front + IRIS_RADIUS * np.array([x, y, -0.1]) for x, y in ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1))]
        eye_faces.append(faces[parts[faces[:, 0]] == part])
    return closest_surface_points(np.array(targets), vertices, np.concatenate(eye_faces))
