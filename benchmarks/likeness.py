"""Are people like themselves? Fits every photo of a folder, and lets a recogniser judge that no fit has ever seen:

    python benchmarks/likeness.py FOLDER --judge face-reidentification-retail-0095.xml --out DIR [--other CHECKOUT]

The judge is Intel's network of that name from the Open Model Zoo (OpenVINO's IR; `pip install openvino` runs it). It
sees photo and rendering as any two pictures: the face is found anew in each. With --other every photo is also fitted by
another checkout of this project. DIR/<photo>.png shows the photo and the renderings, the other checkout's first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from ganfit_nb import FaceModel, FitConfig, GanfitError, Photo, fit
from ganfit_nb.networks.identity import CropTemplate, aligned_crop
from ganfit_nb.photos.photo_files import photos_in
from ganfit_nb.results.export import contact_sheet
from ganfit_nb.results.result import Result

HERE = Path(__file__).resolve().parents[1]
SIZE = 512
CROP = 128
# Eyes, tip of the nose and corners of the mouth in the judge's crop, and the iBUG points of which each is the mean.
FIVE = torch.tensor([[0.3156, 0.4616], [0.6826, 0.4616], [0.5003, 0.6405], [0.3495, 0.8247], [0.6534, 0.8247]])
OF_68 = (range(36, 42), range(42, 48), [30], [48], [54])
Judge = Callable[[torch.Tensor], np.ndarray | None]


def load_judge(path: Path) -> Judge:
    """From a picture (H, W, 3) to the face's embedding of unit length; None where no face is found."""
    import openvino

    network = openvino.Core().compile_model(path, "CPU")
    of_68 = torch.zeros(len(OF_68), 68)
    for row, points in enumerate(OF_68):
        of_68[row, list(points)] = 1 / len(points)
    template = CropTemplate(CROP * FIVE, of_68, CROP, in_crop=True)

    def judge(image: torch.Tensor) -> np.ndarray | None:
        try:
            photo = Photo.from_image(image)
        except GanfitError:
            return None
        crop = aligned_crop(photo.image.permute(2, 0, 1), photo.landmarks, template)
        found = network(255 * crop.flip(0)[None].numpy())[0].ravel()  # BGR
        return found / np.linalg.norm(found)

    return judge


def fit_all(folder: Path, work: Path, steps: int, seed: int) -> None:
    """Fits every photo; leaves the pictures (.npy) and the figures in `work`. Runs in the checkout that is measured."""
    model, config, figures = FaceModel.default(), FitConfig(steps=steps, seed=seed), {}
    for path in photos_in(folder):
        try:
            photo = Photo.open(path)
        except GanfitError as error:
            print(error, file=sys.stderr)
            continue
        result = Result(photo, model, config, list(fit(photo, model, config)))
        np.save(work / f"{path.stem}_photo.npy", photo.at(SIZE).image.numpy())
        np.save(work / f"{path.stem}_fit.npy", model.render(result.final.parameters, SIZE).image.clamp(0, 1).numpy())
        figures[path.stem] = {
            "landmarks": result.landmark_error(),
            "pixels": result.final.losses["pixel"],
            "seconds": result.final.seconds,
        }
        (work / "figures.json").write_text(json.dumps(figures))
        print(path.name, file=sys.stderr, flush=True)


def pictures(work: Path, kind: str, names: list[str]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.load(work / f"{name}_{kind}.npy")) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--other", type=Path, help="another checkout")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fit-into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit_into:
        fit_all(options.folder, options.fit_into, options.steps, options.seed)
        return
    judge = load_judge(options.judge)
    with tempfile.TemporaryDirectory() as scratch:
        works = {}
        for name, checkout in {"other": options.other, "this": HERE}.items():
            if checkout:
                works[name] = Path(scratch) / name
                works[name].mkdir()
                command = [sys.executable, __file__, *sys.argv[1:], "--fit-into", str(works[name])]
                subprocess.run(command, env=os.environ | {"PYTHONPATH": str(checkout)}, check=True)
        report(judge, works, options.out)


def report(judge: Judge, works: dict[str, Path], out: Path) -> None:
    """Prints the table and writes the sheets."""
    figures = {name: json.loads((work / "figures.json").read_text()) for name, work in works.items()}
    names = [name for name in figures["this"] if all(name in found for found in figures.values())]
    photos = pictures(works["this"], "photo", names)
    fits = {version: pictures(work, "fit", names) for version, work in works.items()}
    seen = {version: {name: judge(image) for name, image in of.items()} for version, of in fits.items()}
    seen["photo"] = {name: judge(image) for name, image in photos.items()}
    out.mkdir(parents=True, exist_ok=True)
    print(f"{'photo':16s} {'version':8s} likeness  landmarks  pixels  seconds")
    rows = {version: [] for version in works}
    for name in names:
        contact_sheet({"photo": photos[name]} | {v: of[name] for v, of in fits.items()}).save(out / f"{name}.png")
        for version in works:
            own = figures[version][name]
            row = [similarity(seen["photo"][name], seen[version][name]), *own.values()]
            rows[version].append(row)
            print(f"{name:16s} {version:8s} {row[0]:8.3f}  {row[1]:9.4f}  {row[2]:6.4f}  {row[3]:7.1f}")
    for version, found in rows.items():
        mean = np.nanmean(found, axis=0)
        print(f"mean of {len(names):8d} {version:8s} {mean[0]:8.3f}  {mean[1]:9.4f}  {mean[2]:6.4f}  {mean[3]:7.1f}")
    for kind, of in seen.items() if len(names) > 1 else ():
        others = [similarity(of[a], of[b]) for a, b in combinations(names, 2)]
        print(f"different people, {kind}: {np.nanmean(others):.3f}")


def similarity(a: np.ndarray | None, b: np.ndarray | None) -> float:
    """Cosine; NaN where no face was found."""
    return float("nan") if a is None or b is None else float(a @ b)


if __name__ == "__main__":
    main()
