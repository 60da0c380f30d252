"""Fits the shipped 3DMM to the mean face of another model, so that our landmarks can be carried over to it.

A user's model comes in its own frame and unit, without our landmarks, regions and UV map. Index lists exist for some
meshes, but not for their many cropped and remeshed variants. So the only assumption is a face that looks along +z with
+y up. MediaPipe's detector finds its points in a rendering of that face. Then our 3DMM is fitted to it in 3D by its own
modes, first to the points, then surface to surface (ICP with point-to-plane distances, Chen & Medioni 1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.geometry.rigid import rigid_transform
from ganfit_nb.geometry.surface import Surface
from ganfit_nb.photos.landmarks import LandmarkDetector
from ganfit_nb.renderer import render
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_nb.renderer.render import CLAY

SIZE = 512  # px, side of the picture that the detector sees
DISTANCE = 1000.0  # mm, from its camera to the mesh
FIELD = 1.4  # side of the picture, in extents of the mesh
POINT_SIGMA = 3.0  # mm, standard deviation of a detected point on the surface
SURFACE_SIGMA = 0.5  # mm, standard deviation that our modes leave on faces of another origin
INDEPENDENT = 500.0  # all surface points count as so many independent ones, because neighbours err alike
SAME_WAY = 0.6  # smallest cosine between the normals of partners
POINTS = 68.0  # all dense points count as so many independent ones
RELIABLE = 0.3  # smallest weight of a reliable point, as a share of the largest weight
ROUNDS = (0.0, 0.0, 20.0, 16.0, 12.0, 9.0, 7.0, 5.0, 5.0)  # mm, reach of partners in each round; 0: points alone


@dataclass(frozen=True)
class SeenPoints:
    """MediaPipe's dense points on a mesh, where the detector saw them.

    positions  (478, 3) on its surface
    weight     (478,) how reliable each point is, 0 where it lies off the surface
    """

    positions: Float[Tensor, "D 3"]
    weight: Float[Tensor, " D"]

    @property
    def reliable(self) -> Bool[Tensor, " D"]:
        """Whether each point is reliable enough to align two faces by it."""
        return self.weight > RELIABLE * self.weight.max()


def see_points(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    detector: LandmarkDetector,
    trust: Float[Tensor, " D"],
) -> SeenPoints:
    """Renders a mesh (mm) as clay from the front, finds the detector's points, and projects them back onto the mesh.

    Raises GanfitError when the detector sees no face.
    """
    low, high = vertices.amin(0), vertices.amax(0)
    centre = (low + high) / 2
    side = FIELD * float((high - low)[:2].max())
    target = centre.tolist()
    camera = torch.tensor([target[0], target[1], target[2] + DISTANCE, *target, 2 * DISTANCE / side])
    light = frontal_light()
    light[:3] += centre
    clay = torch.full((1, 1, 3), CLAY)
    rendering = render(vertices, faces, vertices[:, :2], clay, camera, light, SIZE)
    found = detector(rendering.image.clamp(0, 1))
    if not found or found[0].dense is None:
        raise GanfitError(
            "No face is seen on the model's mean; its axes must be +y up and +z out of the face, and it needs eyes, "
            "nose and mouth."
        )
    pixel = found[0].dense[:, :2].long().clamp(0, SIZE - 1)
    covered = rendering.points.positions[: len(rendering.fragments.pixels)]
    on_surface = rendering.fragments.pix_to_face[pixel[:, 1], pixel[:, 0]] >= 0
    facing = rendering.normals[pixel[:, 1], pixel[:, 0], 2].clamp(min=0)  # a point seen at a flat angle is imprecise
    positions = rendering.fragments.image(covered)[pixel[:, 1], pixel[:, 0]]
    return SeenPoints(positions, trust * on_surface * facing)


@dataclass(frozen=True)
class Registration:
    """Two mean faces, both in our frame.

    ours          (W, 3) our 3DMM's vertices, fitted to the other face
    other         (V, 3) the other face's vertices, moved rigidly
    coefficients  (K,) p_s and p_e of our 3DMM, standard deviations
    """

    ours: Float[Array, "W 3"]
    other: Float[Array, "V 3"]
    coefficients: Float[Array, " K"]


def register(
    model: MorphableModel, points: SeenPoints, vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]
) -> Registration:
    """Fits our 3DMM to a mesh (mm) by damped least squares in p_s, p_e and the rigid motion between the two."""
    from scipy.spatial.transform import Rotation  # takes half a second, and few need it

    basis = torch.cat([model.identity_basis, model.expression_basis]).double()
    mean, region, count = model.mean.double().numpy(), model.face_region.numpy(), len(basis)
    by_vertex = basis.permute(1, 2, 0).numpy()  # (W, 3, K)
    by_point = model.dense_landmarks.on(basis).permute(1, 2, 0).numpy()
    good, known = points.reliable, model.dense_landmarks.on(model.mean)
    rotation, shift = rigid_transform(points.positions[good].double(), known[good].double())
    other, marks = ((x.double() @ rotation.T + shift).numpy() for x in (vertices, points.positions))
    trust = (points.weight / points.weight.sum()).double().numpy() * POINTS / POINT_SIGMA**2

    coefficients, ours = np.zeros(count), mean
    for reach in ROUNDS:
        seen = model.dense_landmarks.on(torch.from_numpy(ours)).numpy()
        rows = np.concatenate([by_point, _rigid_columns(seen)], 2).reshape(-1, count + 6)
        equations = [(rows, (marks - seen).ravel(), np.repeat(trust, 3))]
        if reach:
            equations.append(_surface_equations(ours, model.faces, region, by_vertex, other, faces, reach))
        normal = sum(rows.T @ (weight[:, None] * rows) for rows, _, weight in equations)
        right = sum(rows.T @ (weight * residual) for rows, residual, weight in equations)
        normal[np.arange(count), np.arange(count)] += 1.0  # the priors N(0, 1) of the coefficients
        right[:count] -= coefficients
        step = np.linalg.solve(normal, right)
        coefficients = coefficients + step[:count]
        ours = mean + by_vertex @ coefficients
        turn, moved = Rotation.from_rotvec(step[count : count + 3]).as_matrix(), step[count + 3 :]
        other, marks = (other - moved) @ turn, (marks - moved) @ turn  # the other face moves, and ours stays
    return Registration(ours, other, coefficients)


def _surface_equations(
    ours: Float[Array, "W 3"],
    our_faces: Int[Tensor, "G 3"],
    region: Bool[Array, " W"],
    by_vertex: Float[Array, "W 3 K"],
    other: Float[Array, "V 3"],
    faces: Int[Tensor, "F 3"],
    reach: float,
) -> tuple[Array, Array, Array]:
    """Point-to-plane equations for the vertices of our face region and their nearest ones on the other mesh.

    Only pairs count that lie within `reach`, and whose normals point the same way.
    """
    from scipy.spatial import cKDTree

    used = np.unique(faces.numpy())
    normals = Surface(other, faces.numpy()).normals[used]
    our_normals = Surface(ours, our_faces.numpy()).normals[region]
    distance, nearest = cKDTree(other[used]).query(ours[region])
    partners = (distance < reach) & ((normals[nearest] * our_normals).sum(1) > SAME_WAY)
    n, here = normals[nearest[partners]], ours[region][partners]
    rows = np.concatenate([by_vertex[region][partners], _rigid_columns(here)], 2)
    residual = ((other[used][nearest[partners]] - here) * n).sum(1)
    weight = np.full(len(n), INDEPENDENT / max(len(n), 1) / SURFACE_SIGMA**2)
    return np.einsum("li,lik->lk", n, rows), residual, weight


def _rigid_columns(points: Float[Array, "N 3"]) -> Float[Array, "N 3 6"]:
    """Derivatives of points with respect to a small rotation vector and a shift."""
    x, y, z = points.T
    o, i = np.zeros_like(x), np.ones_like(x)
    rows = [[o, z, -y, i, o, o], [-z, o, x, o, i, o], [y, -x, o, o, o, i]]
    return np.stack([np.stack(row, 1) for row in rows], 1)
