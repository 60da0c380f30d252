"""A triangle mesh that distances are measured from, with its nearest points, normals and border."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading
from ganfit_nb.geometry.closest_points import ClosestPointSearch
from ganfit_nb.renderer import vertex_normals

FORMATS = ("obj", "off", "ply", "stl")  # they hold a mesh and nothing else; formats of scenes may name other files
MAXIMUM_BYTES = 2**30


@dataclass(frozen=True)
class Surface:
    """A mesh: vertices (V, 3) in mm, faces (F, 3) wound counter-clockwise seen from outside."""

    vertices: Float[Array, "V 3"]
    faces: Int[Array, "F 3"]

    @classmethod
    def read(cls, path: Path) -> Surface:
        """Reads a mesh file, without its colours. Raises GanfitError when it is damaged, or holds no triangles."""
        kind = path.suffix.lower().removeprefix(".")
        if kind not in FORMATS:
            raise GanfitError(f"{path} is no mesh of a known format; give an OBJ, OFF, PLY or STL file.")
        with reading(path, "cannot be read as a mesh; give an intact OBJ, OFF, PLY or STL file.", MAXIMUM_BYTES):
            import trimesh  # its import is slow, and meshes that are made here do not need it

            content = io.BytesIO(path.read_bytes())  # given no path, trimesh cannot look for files beside it
            mesh = trimesh.load_mesh(content, file_type=kind, process=False, skip_materials=True)
            vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
            if not len(faces):
                raise GanfitError(f"{path} holds no triangles; give a mesh, not a cloud of points.")
            if faces.min() < 0 or not np.isfinite(vertices).all():
                raise ValueError("no vertices")
            return cls(*without_unused(vertices, faces))

    @cached_property
    def search(self) -> ClosestPointSearch:
        """The search for nearest points. It is built once, because the target of an ICP does not move."""
        return ClosestPointSearch(self.vertices, self.faces)

    @cached_property
    def normals(self) -> Float[Array, "V 3"]:
        """Unit normals at the vertices, averaged over triangles by area, because noise turns single triangles."""
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
