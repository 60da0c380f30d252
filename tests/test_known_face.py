"""A face with known parameters, photographed by our own renderer: the fit must find it again."""

import torch

from ganfit_nb import FaceModel, FitConfig, Photo, fit
from ganfit_nb.rigid import similarity_distance
from ganfit_nb.second_view import second_view


def test_a_known_face_is_found_again():
    model = FaceModel.default()
    generator = torch.Generator().manual_seed(7)
    mean = model.mean_parameters()
    truth = second_view(
        mean.replace(
            identity=torch.randn(mean.identity.shape, generator=generator),
            texture=torch.randn(mean.texture.shape, generator=generator),
        ),
        seed=7,
        index=0,
    )
    photo = Photo.from_image(model.render(truth, 512).image.clamp(0, 1))
    steps = list(fit(photo, model, FitConfig(steps=60, size=128)))
    face = model.morphable.face_region

    def error(identity: torch.Tensor) -> float:
        shapes = [model.morphable.vertices(p, torch.zeros_like(mean.expression)) for p in (identity, truth.identity)]
        return similarity_distance(shapes[0][face], shapes[1][face])

    aligned = [step for step in steps if step.stage == "align"][-1]
    errors = [error(p) for p in (mean.identity, aligned.parameters.identity, steps[-1].parameters.identity)]
    assert errors[2] < 0.8 * errors[0]
    assert errors[2] < errors[1]
    assert steps[-1].losses["identity"] < 0.25 * next(s for s in steps if s.stage == "joint").losses["identity"]
