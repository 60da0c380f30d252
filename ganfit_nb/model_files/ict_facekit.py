"""Reads ICT-FaceKit (Li et al. 2020).

It is a folder with one OBJ file for the neutral face and one for every identity and expression shape.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from ganfit_nb.files.reading import reading
from ganfit_nb.model_files.model_file import BLENDSHAPE_SD, MAXIMUM_BYTES, ModelFile, damaged

KIND = "ICT-FaceKit"
NEUTRAL = "generic_neutral_mesh.obj"
# The last of its 26,719 vertices are transparent shells over the eyes: tears, blends, occlusion, lashes (its README).
VERTICES, FIRST_SHELL = 26_719, 24_591
MAXIMUM_OBJ = 2**26  # bytes; the neutral mesh has 4 MB


def read_ict_facekit(folder: Path) -> ModelFile:
    """The model in a folder. Raises GanfitError with the name of an OBJ that is damaged or does not fit."""
    mean, faces = _read_obj(folder / NEUTRAL)
    if len(mean) == VERTICES:
        faces = faces[(faces < FIRST_SHELL).all(1)]
    identity, expression = shape_names(folder)
    return ModelFile(
        kind=KIND,
        mean=mean.astype(np.float32),
        identity=_displacements(folder, identity, mean),
        expression=BLENDSHAPE_SD * _displacements(folder, expression, mean),
        faces=faces,
    )


def shape_names(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the identity shapes and of the expression shapes, in the order of the modes."""
    names = sorted(path.stem for path in folder.glob("*.obj") if path.name != NEUTRAL)
    return [n for n in names if n.startswith("identity")], [n for n in names if not n.startswith("identity")]


def _displacements(folder: Path, names: list[str], mean: Float[Array, "V 3"]) -> Float[Array, "K V 3"]:
    if 4 * len(names) * mean.size > MAXIMUM_BYTES:
        raise damaged(folder, KIND, f"it has {len(names)} shapes")
    result = np.zeros((len(names), *mean.shape), dtype=np.float32)
    for k, path in enumerate(folder / f"{name}.obj" for name in names):
        vertices, _ = _read_obj(path)
        if vertices.shape != mean.shape:
            raise damaged(path, f"a shape of {KIND}", f"it has {len(vertices)} vertices, not {len(mean)}")
        result[k] = vertices - mean
    return result


def _read_obj(path: Path) -> tuple[Float[Array, "V 3"], Int[Array, "F 3"]]:
    """The vertices in the file's order, and its polygons as fans of triangles. trimesh would reorder the vertices."""
    with reading(path, "looks like an OBJ file, but a line in it is broken; download it again.", MAXIMUM_OBJ):
        lines = path.read_text(encoding="utf-8").splitlines()
        vertices = np.array([line.split()[1:4] for line in lines if line.startswith("v ")], dtype=float).reshape(-1, 3)
        polygons = [[int(p.split("/")[0]) - 1 for p in line.split()[1:]] for line in lines if line.startswith("f ")]
        faces = [(p[0], p[k], p[k + 1]) for p in polygons for k in range(1, len(p) - 1)]
        return vertices, np.array(faces, dtype=np.int64).reshape(-1, 3)
