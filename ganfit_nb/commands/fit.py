"""`ganfit fit …`: photos to textured meshes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ganfit_nb.assets import asset_path
from ganfit_nb.errors import GanfitError
from ganfit_nb.export import writable_directory

if TYPE_CHECKING:
    from ganfit_nb.face_model import FaceModel
    from ganfit_nb.fitting import FitConfig, FitStep
    from ganfit_nb.identity import IdentityNetwork
    from ganfit_nb.photo import Photo
    from ganfit_nb.result import Result

EXAMPLE = "astronaut"


def add_parser(commands: Any) -> None:
    """Adds the command to `ganfit`'s subparsers."""
    fit = commands.add_parser(
        "fit", help="fit photos", description="Writes DIR/<photo>/ with mesh, texture, overlay and fit.json."
    )
    fit.add_argument("photos", nargs="*", type=Path, metavar="PHOTO", help="photos to fit; none: the bundled portrait")
    fit.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    fit.add_argument("--steps", type=int, default=200, help="updates of the joint stage (default %(default)s)")
    fit.add_argument("--seed", type=int, default=0, help="seed of the random second views (default %(default)s)")
    fit.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (default %(default)s)")
    fit.add_argument("--texture", choices=("gan", "pca"), help="texture model (default: gan, or the --model's own)")
    fit.add_argument("--model", type=Path, metavar="FILE", help="morphable model (ganfit models check FILE); else ours")
    fit.add_argument(
        "--identity", default="dlib", help="dlib, arcface, a pack of insightface or its .onnx (%(default)s)"
    )
    fit.add_argument("--landmarks", default="mediapipe", help="mediapipe, fan, dlib, or a .pts/.json of 68 points")
    fit.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fits every photo by itself. Ctrl-C writes what was fitted so far, marked as interrupted, and stops."""
    from ganfit_nb.detectors import load_detector  # torch and numba load only when something is fitted
    from ganfit_nb.face_model import FaceModel, shipped_texture
    from ganfit_nb.fitting import FitConfig
    from ganfit_nb.gan_texture import GanTexture
    from ganfit_nb.landmark_file import SUFFIXES
    from ganfit_nb.photo import Photo

    config = FitConfig(steps=options.steps, seed=options.seed, device=options.device)
    if len(options.photos) > 1 and options.landmarks.lower().endswith(SUFFIXES):
        raise GanfitError(f"{options.landmarks} belongs to one photo; fit each photo with its own file.")
    names = result_names(options.photos) or {EXAMPLE: asset_path(f"{EXAMPLE}.png")}
    detector = load_detector(options.landmarks)  # what is missing or bad is told before the first photo is fitted
    photos = {name: Photo.open(path, detector) for name, path in names.items()}
    model = FaceModel.load(options.model) if options.model else FaceModel.default()
    if options.texture:
        model = replace(model, texture=shipped_texture(options.texture))
    network = identity_network(options.identity)
    parts = {
        "model": str(options.model or "shipped"),
        "texture": options.texture or ("gan" if isinstance(model.texture, GanTexture) else "the model's own"),
        "identity": options.identity,
        "landmarks": options.landmarks,
    }
    writable_directory(options.out)
    for name, photo in photos.items():
        for note in photo.notes:
            print(f"{name}: {note}", file=sys.stderr)
        result = replace(fit_with_progress(photo, model, config, network, label=name), parts=parts)
        result.write(options.out / name)
        print(result.summary(options.out / name))
        if result.interrupted:
            return 130
    return 0


def result_names(photos: Sequence[Path]) -> dict[str, Path]:
    """The folder each photo's result goes to: its stem. Two photos with one stem would overwrite each other."""
    names: dict[str, Path] = {}
    for path in photos:
        if path.stem in names:
            raise GanfitError(
                f"{names[path.stem]} and {path} would both be written to {path.stem}/; fit them with different --out."
            )
        names[path.stem] = path
    return names


def identity_network(name: str) -> IdentityNetwork:
    """The network of --identity, with its licence told where it is not free."""
    from ganfit_nb.arcface import LICENCE, load_arcface
    from ganfit_nb.identity import IdentityNetwork

    if name == "dlib":
        return IdentityNetwork.default()
    network = load_arcface(name)
    print(f"--identity {name}: {LICENCE}.", file=sys.stderr)
    return network


def fit_with_progress(
    photo: Photo, model: FaceModel, config: FitConfig, network: IdentityNetwork, label: str
) -> Result:
    """Runs a whole fit behind a progress bar that shows the losses. An interrupt keeps the steps made so far."""
    from ganfit_nb.fitting import fit
    from ganfit_nb.result import Result

    steps: list[FitStep] = []
    interrupted = False
    with tqdm(total=config.steps, desc=label, unit="step") as bar:
        try:
            for step in fit(photo, model, config, network=network):
                steps.append(step)
                bar.set_postfix_str(
                    " ".join(f"{name} {value:.3g}" for name, value in step.losses.items()), refresh=False
                )
                bar.update(step.index - bar.n if step.stage == "joint" else 0)
        except KeyboardInterrupt:
            if not steps:
                raise
            interrupted = True
    return Result(photo, model, config, steps, interrupted)
