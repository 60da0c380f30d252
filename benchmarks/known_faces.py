"""Fits faces whose parameters are known: python benchmarks/known_faces.py [--seeds 20] [--steps 200] [--out DIR]

Each seed draws identity, expression, texture, camera and light, renders the face, and hands the picture, nothing else,
to the same `Photo` and `fit` a photograph goes through. Errors are mean vertex distances within the face, in mm, of the
neutral shape (identity alone) after a rigid alignment, and after a similarity, which takes out the size of the head: a
single picture by an unknown camera does not show it. Those of the mean face stand beside them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from ganfit_nb import FaceModel, FitConfig, Photo, fit
from ganfit_nb.export import contact_sheet
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.rigid import rigid_distance, similarity_distance
from ganfit_nb.second_view import second_view

SIZE = 512


def known_face(model: FaceModel, seed: int) -> FaceParameters:
    """Parameters drawn from the model's own priors, seen by a random camera in a random light (the Gaussians of Eq.
    7)."""
    generator = torch.Generator().manual_seed(10_000 + seed)
    mean = model.mean_parameters()
    drawn = mean.replace(
        identity=torch.randn(mean.identity.shape, generator=generator),
        texture=torch.randn(mean.texture.shape, generator=generator),
    )
    return second_view(drawn, seed, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", type=Path, help="folder for pictures of truth and fit")
    options = parser.parse_args()
    model = FaceModel.default()
    face = model.morphable.face_region
    mean = model.morphable.mean
    rows = []
    print(f"      {'rigid, mm':33s}similarity, mm")
    print("seed" + 2 * "  mean face   aligned    fitted")
    for seed in range(options.seeds):
        truth = known_face(model, seed)
        picture = model.render(truth, SIZE).image.clamp(0, 1)
        photo = Photo.from_image(picture)
        config = FitConfig(steps=options.steps, seed=seed)
        *steps, final = fit(photo, model, config)
        aligned = [step for step in steps if step.stage == "align"][-1]
        neutral = neutral_shape(model, truth)
        shapes = [mean] + [neutral_shape(model, step.parameters) for step in (aligned, final)]
        rows.append(
            [error(shape[face], neutral[face]) for error in (rigid_distance, similarity_distance) for shape in shapes]
        )
        print(f"{seed:4d}  " + "  ".join(f"{error:9.3f}" for error in rows[-1]), flush=True)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            fitted = model.render(final.parameters, SIZE)
            contact_sheet([photo.at(SIZE).image, fitted.image, fitted.shaded_geometry]).save(
                options.out / f"{seed:02d}.png"
            )
    table = np.array(rows)
    print("mean  " + "  ".join(f"{error:9.3f}" for error in table.mean(0)))
    print("sd    " + "  ".join(f"{error:9.3f}" for error in table.std(0)))


def neutral_shape(model: FaceModel, parameters: FaceParameters) -> torch.Tensor:
    """The identity's shape with no expression, (V, 3) mm."""
    return model.vertices(parameters.replace(expression=torch.zeros_like(parameters.expression)))


if __name__ == "__main__":
    main()
