"""Writes where each vertex of the morphable model lies on a MakeHuman skin (needs the `build` extra).

python -m ganfit_nb.training.skin_uv
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ganfit_nb.training.anny_heads import AnnyHeads
from ganfit_nb.training.face_mesh import FaceMesh, build_face_mesh


def write_skin_uv(mesh: FaceMesh, path: Path) -> None:
    """The mesh's MakeHuman coordinates, turned to v down, in 1/65535 of the skin's side."""
    uv = np.stack([mesh.makehuman_uv[:, 0], 1.0 - mesh.makehuman_uv[:, 1]], axis=1)
    save_file({"skin_uv": np.round(65535.0 * np.clip(uv, 0.0, 1.0)).astype(np.uint16)}, path)


if __name__ == "__main__":
    write_skin_uv(build_face_mesh(AnnyHeads().mesh), Path(__file__).parents[1] / "assets" / "skin_uv.safetensors")
