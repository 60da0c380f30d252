"""Turns a skin in MakeHuman's full-body layout into a base map: in our layout, without light, hair and tone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from PIL import Image
from safetensors.numpy import load_file

from ganfit_nb.assets import shipped
from ganfit_nb.errors import GanfitError
from ganfit_nb.files.tensor_files import save_tensors
from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.painting import blur, smoothstep
from ganfit_nb.training.skin.skin_tone import MAX_MELANIN, MELANIN, PALE, density
from ganfit_nb.training.skin.uv_layout import UvLayout

SKIN_UV = "skin_uv.safetensors"
LIGHT_REACH = 20.0  # mm; variation over larger distances counts as light, not as skin
# In densities of dark skins the rounding of 8-bit files is large. So the spread of brightness and colour is limited.
MAX_SPREAD = (0.075, 0.035)


def skin_files(folder: Path) -> list[Path]:
    """The skins in a folder, in order. Raises GanfitError when there is none."""
    files = sorted(p for p in Path(folder).glob("*_diffuse*.png"))
    if not files:
        raise GanfitError(f"{folder} holds no *_diffuse*.png; give the folder of the MakeHuman skins, or none.")
    return files


def skin_coordinates() -> Float[ndarray, "V 2"]:
    """The place of each vertex of the morphable model on a MakeHuman skin: u to the right, v down."""
    with shipped(SKIN_UV) as path:
        return read_skin_uv(path)


def read_skin_uv(path: Path) -> Float[ndarray, "V 2"]:
    """Reads coordinates that `write_skin_uv` wrote."""
    return load_file(path)["skin_uv"].astype(np.float32) / 65535.0


def write_skin_uv(uv: Float[ndarray, "V 2"], path: Path) -> None:
    """Writes the coordinates, in units of 1/65535 of the skin's side."""
    stored = torch.from_numpy(np.round(65535.0 * np.clip(uv, 0.0, 1.0)).astype(np.uint16))
    save_tensors(path, {"skin_uv": stored})


def resample(
    image: Float[ndarray, "h w 3"], skin_uv: Float[ndarray, "V 2"], fine: UvLayout, size: int
) -> Float[ndarray, "H H 3"]:
    """The skin in our layout. `fine` is the layout at a multiple of `size`, so that several samples make a texel."""
    grid = torch.from_numpy(2.0 * fine.interpolate(skin_uv) - 1.0).float()[None]
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
    sampled = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.interpolate(sampled, size=(size, size), mode="area")[0].permute(1, 2, 0).numpy()


def bare_skin(face: Face) -> Float[ndarray, "H H"]:
    """1 on bare skin, 0 on lips, lids, eyes and scalp, and a small value on the ears."""
    bare = smoothstep(face.hairline, -2.0, -12.0) * smoothstep(face.lips, 1.0, 4.0) * face.skin
    bare = bare * smoothstep(face.eye_outline, 2.0, 6.0) * np.where(face.azimuth > 82.0, 0.3, 1.0)
    return np.where(face.layout.covered, bare, 0.0).astype(np.float32)


def without_light(skin: Float[ndarray, "H H 3"], face: Face) -> tuple[Float[ndarray, "H H 3"], Float[ndarray, " 3"]]:
    """(density map without light and hair, relative to the tone; the tone).

    Slow variation, over more than LIGHT_REACH, is estimated on bare skin (no lips, eyes, scalp), continued over the
    rest, and subtracted. From the brightness nearly all of it is subtracted. From the colour only the difference
    between left and right is: ruddy cheeks belong to the skin, but a face that is red on one side is lit so.
    """
    scalp, bare = smoothstep(face.hairline, -12.0, -2.0), bare_skin(face)
    tone = np.median(skin[bare > 0.9], axis=0)
    relative = np.clip(skin - tone, -1.0, 2.5)
    sigma = LIGHT_REACH * face.layout.size / float(face.layout.scale.mean())
    weight = blur(bare[..., None], sigma) + 1e-4
    slow = blur(relative * bare[..., None], sigma) / weight
    even = 0.5 * (slow + slow[:, ::-1])
    brightness = even.mean(axis=2, keepdims=True)
    flat = relative - (slow - even) - 0.9 * brightness
    grey = flat.mean(axis=2, keepdims=True)
    spread = [np.abs(part[bare > 0.9] - np.median(part[bare > 0.9], axis=0)).mean() for part in (grey, flat - grey)]
    gain = [min(1.0, most / (1.25 * s)) for most, s in zip(MAX_SPREAD, spread, strict=True)]
    flat = gain[0] * grey + gain[1] * (flat - grey)
    # Hair hides the skin. There the map gets even skin with the fine grain of the hair, made weaker.
    close = blur(relative, 2.0 * face.layout.size / 512)
    grain = 0.3 * (relative - close)
    return np.where(scalp[..., None] > 0, (1.0 - scalp[..., None]) * flat + scalp[..., None] * grain, flat), tone


def skin_bases(folder: Path, face: Face, fine: UvLayout) -> tuple[Float[ndarray, "N H H 3"], Float[ndarray, " N"]]:
    """The base maps of all skins in a folder, as densities relative to the tone, and the darkness (0 to 1) of each."""
    skin_uv = skin_coordinates()
    bases, darkness = [], []
    for file in skin_files(folder):
        with Image.open(file) as picture:
            image = np.asarray(picture.convert("RGB"), np.float32) / 255.0
        base, tone = without_light(density(resample(image, skin_uv, fine, face.layout.size)), face)
        bases.append(base.astype(np.float16))
        darkness.append(((tone - PALE) / MELANIN).mean() / MAX_MELANIN)
    return np.stack(bases), np.clip(darkness, 0.0, 1.0)
