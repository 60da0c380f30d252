"""A triangle mesh as something to measure against: nearest points, normals, and where it ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import trimesh
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from ganfit_nb.closest_points import ClosestPointSearch
from ganfit_nb.errors import GanfitError
from ganfit_nb.renderer import vertex_normals


@dataclass(frozen=True)
class Surface:
    """A mesh: vertices (V, 3) in mm, faces (F, 3) wound counter-clockwise seen from outside."""

    vertices: Float[Array, "V 3"]
    faces: Int[Array, "F 3"]

    @classmethod
    def read(cls, path: Path) -> Surface:
        """A mesh file of any format trimesh reads, without its colours. GanfitError when it holds no triangles."""
        try:
            mesh = trimesh.load_mesh(path, process=False, skip_materials=True)
            vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
        except Exception as error:  # trimesh's readers raise whatever a broken file makes them trip over
            raise GanfitError(f"{path} cannot be read as a mesh; give an intact OBJ, PLY or STL file.") from error
        if not len(faces):
            raise GanfitError(f"{path} holds no triangles; give a mesh, not a cloud of points.")
        return cls(*without_unused(vertices, faces))

    @cached_property
    def search(self) -> ClosestPointSearch:
        """Finds the nearest points; built once, since the target of an ICP stands still."""
        return ClosestPointSearch(self.vertices, self.faces)

    @cached_property
    def normals(self) -> Float[Array, "V 3"]:
        """Unit normals at the vertices, averaged by area: a scanner's noise turns single triangles about."""
        normals = vertex_normals(torch.from_numpy(self.vertices), torch.from_numpy(self.faces)).numpy()
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    @cached_property
    def border(self) -> Bool[Array, " V"]:
        """The vertices at the mesh's edge and around its holes."""
        edges = np.sort(self.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        ends, count = np.unique(edges, axis=0, return_counts=True)
        border = np.zeros(len(self.vertices), bool)
        border[ends[count == 1]] = True
        return border

    def kept(self, vertices: Bool[Array, " V"]) -> Surface:
        """The part whose triangles have all three corners among the chosen vertices."""
        return Surface(*without_unused(self.vertices, self.faces[vertices[self.faces].all(1)]))


def without_unused(vertices: Float[Array, "V 3"], faces: Int[Array, "F 3"]) -> tuple[Array, Array]:
    """The same triangles on only those vertices that they have."""
    used, faces = np.unique(faces, return_inverse=True)
    return vertices[used], faces.reshape(-1, 3)
