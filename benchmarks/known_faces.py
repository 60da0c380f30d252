"""Fits faces whose parameters are known: python benchmarks/known_faces.py [--seeds 20] [--steps 200] [--out DIR]

    python benchmarks/known_faces.py --photos 1 3 5      # each face from so many photos together (Eq. 13)

Each seed draws identity, expression, texture, camera and light, renders the face, and hands the picture, nothing else,
to the same `Photo` and `fit` a photograph goes through. Errors are mean vertex distances within the face, in mm, of the
neutral shape (identity alone) after a rigid alignment, and after a similarity, which takes out the size of the head: a
single picture by an unknown camera does not show it. Those of the mean face stand beside them. With --photos every face
is also seen by other cameras, with other expressions and in other light.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

import numpy as np

from ganfit_nb import FaceModel, FitConfig, GanfitError, Photo, fit
from ganfit_nb.evaluation.known_face import known_face, picture_of, shape_error
from ganfit_nb.fitting.second_view import second_view
from ganfit_nb.fitting.stages import fit_set
from ganfit_nb.geometry.rigid import rigid_distance, similarity_distance
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.results.export import contact_sheet

SIZE = 512
FIRST_SEED = 10_000  # of the faces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--out", type=Path, help="folder for pictures of truth and fit")
    parser.add_argument("--photos", type=int, nargs="+", metavar="N", help="fit each face from so many photos, too")
    options = parser.parse_args()
    model = FaceModel.default()
    if options.photos:
        compare_numbers(model, options)
    else:
        compare_stages(model, options)


def compare_stages(model: FaceModel, options: argparse.Namespace) -> None:
    rows = []
    print(f"      {'rigid, mm':33s}similarity, mm")
    print("seed" + 2 * "  mean face   aligned    fitted")
    for seed in range(options.seeds):
        truth = known_face(model, FIRST_SEED + seed, seed)
        photo = Photo.from_image(picture_of(model, truth, SIZE))
        config = FitConfig(steps=options.steps, seed=seed)
        *steps, final = fit(photo, model, config)
        aligned = [step for step in steps if step.stage == "align"][-1]
        people = [model.mean_parameters().identity, aligned.parameters.identity, final.parameters.identity]
        distances = (rigid_distance, similarity_distance)
        rows.append([shape_error(model.morphable, p, truth.identity, error) for error in distances for p in people])
        print(f"{seed:4d}  " + "  ".join(f"{error:9.3f}" for error in rows[-1]), flush=True)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            fitted = model.render(final.parameters, SIZE)
            contact_sheet({"photo": photo.at(SIZE).image, "fit": fitted.image, "shape": fitted.shaded_geometry}).save(
                options.out / f"{seed:02d}.png"
            )
    table = np.array(rows)
    print("mean  " + "  ".join(f"{error:9.3f}" for error in table.mean(0)))
    print("sd    " + "  ".join(f"{error:9.3f}" for error in table.std(0)))


def compare_numbers(model: FaceModel, options: argparse.Namespace) -> None:
    rows = []
    heads = ["mean face", *(f"{count} photos" for count in options.photos)]
    print("similarity, mm\nseed" + "".join(f"{head:>11s}" for head in heads))
    for seed in range(options.seeds):
        truth = known_face(model, FIRST_SEED + seed, seed)
        photos = photos_of(model, truth, seed, max(options.photos))
        people = [model.mean_parameters().identity]
        for count in options.photos:
            *_, final = fit_set(photos[:count], model, FitConfig(steps=options.steps, seed=seed))
            people.append(final.steps[0].parameters.identity)
        rows.append([shape_error(model.morphable, p, truth.identity) for p in people])
        print(f"{seed:4d}" + "".join(f"{error:11.3f}" for error in rows[-1]), flush=True)
    print("mean" + "".join(f"{error:11.3f}" for error in np.array(rows).mean(0)))


def photos_of(model: FaceModel, truth: FaceParameters, seed: int, count: int) -> list[Photo]:
    """Pictures of one face; views in which no face is found are left out."""
    photos, index = [], 0
    while len(photos) < count:
        view = second_view(truth, seed, 100 * index) if index else truth
        index += 1
        with suppress(GanfitError):
            photos.append(Photo.from_image(picture_of(model, view, SIZE)))
    return photos


if __name__ == "__main__":
    main()
