"""A finished fit as files other programs open: OBJ with MTL and PNG, GLB, and captioned pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.renderer import vertex_normals

if TYPE_CHECKING:
    import trimesh  # at run time only where a mesh is written: it takes as long to import as everything else but torch

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
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial, SimpleMaterial

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
    return _mesh(model, vertices, TextureVisuals(uv=uv, material=material))


def _mesh(
    model: FaceModel, vertices: Float[Tensor, "V 3"], visual: trimesh.visual.TextureVisuals | None = None
) -> trimesh.Trimesh:
    import trimesh

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
    _mesh(model, model.morphable.neutral(parameters.identity)).export(
        directory / "neutral.obj", header="neutral face, mm", include_normals=True
    )
    _write_glb(directory / "mesh.glb", model, parameters, albedo)


def write_own_skin(
    directory: Path, model: FaceModel, parameters: FaceParameters, albedo: Float[Tensor, "S S 3"]
) -> None:
    """texture_photo.png and mesh_photo.glb: the same mesh in the photo's own skin."""
    to_pil(albedo).save(directory / "texture_photo.png")
    _write_glb(directory / "mesh_photo.glb", model, parameters, albedo)


def _write_glb(path: Path, model: FaceModel, parameters: FaceParameters, albedo: Float[Tensor, "H W 3"]) -> None:
    mesh = textured_mesh(model, model.vertices(parameters) * METRES_PER_MM, albedo, physical=True)
    mesh.export(path, include_normals=True)


def write_obj(directory: Path, name: str, mesh: trimesh.Trimesh) -> None:
    """`name`.obj and `name`.mtl, which refers to texture.png beside it."""
    from trimesh.exchange.obj import export_obj

    text, files = export_obj(
        mesh, include_normals=True, return_texture=True, mtl_name=f"{name}.mtl", header=f"{name}, mm"
    )
    (directory / f"{name}.obj").write_text(text, encoding="utf-8")
    picture = next(key for key in files if key.endswith((".png", ".jpg", ".jpeg")))
    to_mtl = files[f"{name}.mtl"].decode().replace(picture, "texture.png")
    (directory / f"{name}.mtl").write_text(to_mtl, encoding="utf-8")


def contact_sheet(panels: Mapping[str, Float[Tensor, "H W 3"]]) -> Image.Image:
    """Pictures of one size, left to right, each above its caption."""
    pictures = [to_pil(panel) for panel in panels.values()]
    width, height = pictures[0].size
    letters = ImageFont.load_default(size=max(10, width // 24))
    strip = 2 * max(10, width // 24)
    sheet = Image.new("RGB", (width * len(pictures), height + strip), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (caption, picture) in enumerate(zip(panels, pictures, strict=True)):
        sheet.paste(picture, (column * width, 0))
        draw.text(((column + 0.5) * width, height + strip / 2), caption, "black", letters, anchor="mm")
    return sheet


def as_lists(parameters: FaceParameters) -> dict[str, list[float]]:
    """The parameters as JSON numbers."""
    return {name: np.asarray(value.detach().cpu(), dtype=float).round(6).tolist() for name, value in parameters.items()}


def from_lists(record: Mapping[str, Any]) -> FaceParameters:
    """What `as_lists` gave. GanfitError for anything else, which a fit.json from elsewhere may hold."""
    try:
        parameters = FaceParameters(**{name: torch.tensor(values).float() for name, values in record.items()})
        numbers = torch.cat([value.view(-1) for _, value in parameters.items()])
        good = bool(numbers.isfinite().all()) and (len(parameters.camera), len(parameters.light)) == (7, 9)
        good = good and all(value.dim() == 1 for _, value in parameters.items())
    except Exception:  # a record may hold anything
        good = False
    if not good:
        raise GanfitError("A fit.json holds no parameters of a face; fit the photo again.")
    return parameters
