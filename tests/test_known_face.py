"""A face with known parameters, photographed by our own renderer: the fit must find it again."""

from functools import partial

from ganfit_nb import FaceModel, FitConfig, Photo, fit
from ganfit_nb.evaluation.known_face import known_face, picture_of, shape_error


def test_a_known_face_is_found_again():
    model = FaceModel.default()
    truth = known_face(model, 7, 7)
    steps = list(fit(Photo.from_image(picture_of(model, truth, 512)), model, FitConfig(steps=60, size=128)))
    error = partial(shape_error, model.morphable, truth=truth.identity)
    aligned = [step for step in steps if step.stage == "align"][-1]
    mean = model.mean_parameters().identity
    errors = [error(p) for p in (mean, aligned.parameters.identity, steps[-1].parameters.identity)]
    assert errors[2] < 0.8 * errors[0]
    assert errors[2] < errors[1]
    assert steps[-1].losses["identity"] < 0.25 * next(s for s in steps if s.stage == "joint").losses["identity"]
