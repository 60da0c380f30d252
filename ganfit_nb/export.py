"""A finished fit as files other programs open: OBJ with MTL and PNG, GLB, the overlay sheet and fit.json."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import trimesh
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from ganfit_nb.errors import GanfitError
from ganfit_nb.face_model import FaceModel
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.renderer import vertex_normals

METRES_PER_MM = 1e-3  # glTF's unit is the metre


def to_pil(image: Float[Tensor, "H W 3"]) -> Image.Image:
    """A float RGB picture, clamped to [0, 1], as 8 bits."""
    return Image.fromarray((image.detach().cpu().clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy())


def textured_mesh(
    model: FaceModel, vertices: Float[Tensor, "V 3"], albedo: Float[Tensor, "H W 3"], *, physical: bool = False
) -> trimesh.Trimesh:
    """The mesh in mm, with the normals that our renderer shades it by, and its UV map, whose v is flipped to point up.

    `physical` gives glTF's material instead of OBJ's.
    """
    uv = model.morphable.uv.cpu().numpy() * [1, -1] + [0, 1]
    picture = to_pil(albedo)
    material = (
        PBRMaterial(baseColorTexture=picture, metallicFactor=0.0, roughnessFactor=0.7, name="face")
        if physical
        # White: a viewer multiplies the texture by the diffuse colour.
        else SimpleMaterial(
            image=picture, diffuse=[255] * 4, ambient=[0, 0, 0, 255], specular=[0, 0, 0, 255], name="face"
        )
    )
    return _mesh(model, vertices, trimesh.visual.TextureVisuals(uv=uv, material=material))


def _mesh(
    model: FaceModel, vertices: Float[Tensor, "V 3"], visual: trimesh.visual.TextureVisuals | None = None
) -> trimesh.Trimesh:
    vertices, faces = vertices.detach().cpu(), model.morphable.faces.cpu()
    return trimesh.Trimesh(
        vertices.numpy(),
        faces.numpy(),
        vertex_normals=torch.nn.functional.normalize(vertex_normals(vertices, faces), dim=1).numpy(),
        visual=visual,
        process=False,  # merging vertices would break the correspondence with the model
    )


def write_meshes(directory: Path, model: FaceModel, parameters: FaceParameters) -> None:
    """mesh.obj + mesh.mtl + texture.png, neutral.obj (identity alone, expression zero) and mesh.glb."""
    albedo = model.texture(parameters.texture)
    mesh = textured_mesh(model, model.vertices(parameters), albedo)
    write_obj(directory, "mesh", mesh)
    to_pil(albedo).save(directory / "texture.png")
    neutral = parameters.replace(expression=torch.zeros_like(parameters.expression))
    _mesh(model, model.vertices(neutral)).export(
        directory / "neutral.obj", header="neutral face, mm", include_normals=True
    )
    glb = textured_mesh(model, model.vertices(parameters) * METRES_PER_MM, albedo, physical=True)
    glb.export(directory / "mesh.glb", include_normals=True)


def write_obj(directory: Path, name: str, mesh: trimesh.Trimesh) -> None:
    """`name`.obj and `name`.mtl, which refers to texture.png beside it."""
    text, files = trimesh.exchange.obj.export_obj(
        mesh, include_normals=True, return_texture=True, mtl_name=f"{name}.mtl", header=f"{name}, mm"
    )
    (directory / f"{name}.obj").write_text(text, encoding="utf-8")
    picture = next(key for key in files if key.endswith((".png", ".jpg", ".jpeg")))
    to_mtl = files[f"{name}.mtl"].decode().replace(picture, "texture.png")
    (directory / f"{name}.mtl").write_text(to_mtl, encoding="utf-8")


def write_json(path: Path, record: dict) -> None:
    """JSON with numbers only: a NaN or infinity is an error, never a file other programs refuse."""
    path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def writable_directory(directory: Path) -> Path:
    """Makes the folder; GanfitError when it cannot be made or written, so that no fit is computed in vain."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise GanfitError(f"Cannot write to {directory} ({error.strerror}); choose another folder.") from error
    return directory


@contextmanager
def complete_directory(target: Path) -> Iterator[Path]:
    """A fresh folder that becomes `target` when the block ends well, and vanishes when it does not.

    So a result is whole or absent, and a second run replaces the first.
    """
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=writable_directory(target.parent)))
    try:
        yield work
        work.chmod(0o755)
        former = work.with_name(f"{work.name}.former")
        if target.is_dir():
            target.replace(former)  # a rename is at once; removing takes time, in which a process may be killed
        work.replace(target)
        shutil.rmtree(former, ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def remove_leftovers(target: Path) -> None:
    """Removes what killed processes left beside `target` of their work on it."""
    leftover = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}(\.former)?")
    for folder in target.parent.glob(".*"):
        if leftover.fullmatch(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def contact_sheet(panels: list[Float[Tensor, "H W 3"]]) -> Image.Image:
    """Pictures of one size, left to right."""
    return to_pil(torch.cat([panel.cpu() for panel in panels], dim=1))


def as_lists(parameters: FaceParameters) -> dict[str, list[float]]:
    """The parameters as JSON numbers."""
    return {name: np.asarray(value.detach().cpu(), dtype=float).round(6).tolist() for name, value in parameters.items()}


def from_lists(record: Mapping[str, list[float]]) -> FaceParameters:
    """What `as_lists` gave."""
    return FaceParameters(**{name: torch.tensor(values) for name, values in record.items()})
