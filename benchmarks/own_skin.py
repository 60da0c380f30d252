"""The photo's own skin beside a truth:

    python benchmarks/own_skin.py known [--seeds 4] --out DIR
    python benchmarks/own_skin.py scan SCAN.obj COLOURS.jpg PHOTO [PHOTO ...] --out DIR

`known` paints skins that no texture model has learnt, renders each on a random head under a strong light from the
side, and fits the picture. `scan` fits photos of a real head, and takes its colours from the scan's own map: every
texel of the face gets the colour of the nearest point of the scan, after an ICP of the fitted face.

Both print two numbers for every map: its mean absolute difference from the truth in display values × 255, after one
gain per channel, because a photo does not tell a dark skin in bright light from a bright skin in dark light; and how
its detail correlates with that of the truth. Compared are the fitted texture, the photo unwrapped as it is, and the
photo's own skin, where a photo shows the face and in all of it. DIR gets a picture of each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from ganfit_nb import FaceModel, FaceParameters, FitConfig, Photo, fit
from ganfit_nb.blur import gaussian_blur
from ganfit_nb.evaluation.known_face import known_face
from ganfit_nb.evaluation.scan_error import Reconstruction, lay_onto
from ganfit_nb.evaluation.scan_judge import ScanJudge
from ganfit_nb.fitting.stages import fit_set
from ganfit_nb.geometry.surface import Surface
from ganfit_nb.own_skin import own_skin
from ganfit_nb.own_skin.texels import Texels
from ganfit_nb.own_skin.unwrap import unwrap
from ganfit_nb.results.export import contact_sheet
from ganfit_nb.training.skin.uv_corpus import UvCorpus

SIDE = 512  # texels of the compared maps
PICTURE = 640  # px
UNSEEN = 7  # seed of the painted skins; the corpus of the shipped models has another
SEEN = 0.5  # weight
FINE = 4.0  # texels, 2.7 mm: detail of the skin is finer
SIDE_LIGHT = (700.0, 150.0, 500.0, 0.9, 0.85, 0.8, 0.25, 0.25, 0.28)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    known = kinds.add_parser("known")
    known.add_argument("--seeds", type=int, default=4)
    known.set_defaults(run=against_known)
    scan = kinds.add_parser("scan")
    scan.add_argument("scan", type=Path)
    scan.add_argument("colours", type=Path)
    scan.add_argument("photos", type=Path, nargs="+")
    scan.set_defaults(run=against_scan)
    for kind in (known, scan):
        kind.add_argument("--steps", type=int, default=100)
        kind.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.run(FaceModel.default(), options)


def against_known(model: FaceModel, options: argparse.Namespace) -> None:
    corpus = UvCorpus.build(SIDE, seed=UNSEEN)
    for seed in range(options.seeds):
        truth = torch.from_numpy(corpus[seed]).float() / 255
        face = known_face(model, seed, seed).replace(light=torch.tensor(SIDE_LIGHT))
        with torch.no_grad():
            picture = model.render_parts(model.vertices(face), truth, face, PICTURE).image.clamp(0, 1)
        photo = Photo.from_image(picture)
        *_, last = fit(photo, model, FitConfig(steps=options.steps))
        compare(str(seed), model, [photo], [last.parameters], truth, options.out)


def against_scan(model: FaceModel, options: argparse.Namespace) -> None:
    photos = [Photo.open(path) for path in options.photos]
    *_, last = fit_set(photos, model, FitConfig(steps=options.steps))
    parameters = [step.parameters for step in last.steps]
    truth = colours_of_scan(model, parameters[0], options.scan, options.colours)
    for count in sorted({1, len(photos)}):
        compare(f"{count} photos", model, photos[:count], parameters[:count], truth, options.out)


@torch.no_grad()
def colours_of_scan(
    model: FaceModel, person: FaceParameters, scan: Path, colours: Path
) -> Float[Tensor, "SIDE SIDE 3"]:
    """The scan's colours in our UV map, at the nearest point of every texel of the face laid onto the scan."""
    judge = ScanJudge(model.morphable, Surface.read(scan))
    *_, last = lay_onto(Reconstruction.of_person(model.morphable, person.identity), judge.scan, scaled=True)
    texels = Texels.of(model.morphable, SIDE)
    points = last.transform(texels.on(model.morphable.neutral(person.identity)).double().numpy())
    vertices, faces, uv = textured(scan)
    nearest = Surface(vertices * judge.size, faces).search(points)
    place = (uv[nearest.corners] * nearest.bary[..., None]).sum(1)
    picture = torch.from_numpy(np.array(Image.open(colours).convert("RGB"))).permute(2, 0, 1)[None].float() / 255
    grid = torch.from_numpy(place * [2, -2] + [-1, 1]).float()[None, None]
    return texels.image(F.grid_sample(picture, grid, align_corners=False)[0, :, 0].T)


def textured(scan: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, faces and UV coordinates, v up, of an OBJ file."""
    import trimesh

    mesh = trimesh.load_mesh(scan, process=False)
    return np.asarray(mesh.vertices), np.asarray(mesh.faces), np.asarray(mesh.visual.uv)


@torch.no_grad()
def compare(
    name: str,
    model: FaceModel,
    photos: Sequence[Photo],
    parameters: Sequence[FaceParameters],
    truth: Float[Tensor, "SIDE SIDE 3"],
    out: Path,
) -> None:
    """Prints a row, and writes the maps side by side."""
    skin = own_skin(photos, model, parameters, 2 * SIDE)
    texels = Texels.of(model.morphable, SIDE)
    found = [unwrap(photo, model, p, texels) for photo, p in zip(photos, parameters, strict=True)]
    total = sum(one.weight for one in found)
    lit = sum(one.colour * one.weight[:, None] for one in found) / total.clamp(min=1e-9)[:, None]
    maps = {
        "fitted texture": resized(model.texture(parameters[0].texture)),
        "photo as it is": texels.image(lit),
        "own skin": resized(skin.albedo),
    }
    face = texels.image(texels.on(model.morphable.face_region[:, None].float()))[..., 0] > 0.5
    seen = face & (resized(skin.weight[..., None])[..., 0] > SEEN)
    for where, mask in (("seen", seen), ("face", face)):
        found = {what: (difference(a, truth, mask), detail(a, truth, mask)) for what, a in maps.items()}
        row = "; ".join(f"{what} {error:.2f} {share:.2f}" for what, (error, share) in found.items())
        print(f"{name}, {where} ({float(mask.sum() / face.sum()):.2f} of the face): {row}", flush=True)
    contact_sheet({"truth": truth} | {what: a for what, a in maps.items()}).save(out / f"{name}.png")


def difference(
    found: Float[Tensor, "SIDE SIDE 3"], truth: Float[Tensor, "SIDE SIDE 3"], mask: Bool[Tensor, "SIDE SIDE"]
) -> float:
    """Mean absolute difference within the mask, display values × 255, after one gain per channel."""
    found, truth = found[mask], truth[mask]
    gain = (found * truth).sum(0) / found.square().sum(0)
    return float((found * gain - truth).abs().mean() * 255)


def detail(
    found: Float[Tensor, "SIDE SIDE 3"], truth: Float[Tensor, "SIDE SIDE 3"], mask: Bool[Tensor, "SIDE SIDE"]
) -> float:
    """The correlation of what both have that is finer than FINE, within the mask."""
    fine = [values - gaussian_blur(values.permute(2, 0, 1), FINE).permute(1, 2, 0) for values in (found, truth)]
    a, b = (values[mask].mean(1) for values in fine)
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def resized(values: Float[Tensor, "h w C"]) -> Float[Tensor, "SIDE SIDE C"]:
    return F.interpolate(values.permute(2, 0, 1)[None], (SIDE, SIDE), mode="area")[0].permute(1, 2, 0)


if __name__ == "__main__":
    main()
