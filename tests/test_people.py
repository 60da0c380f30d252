"""Several people in one program: nobody's fit depends on who else is there."""

import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, GanfitError, Photo, fit_people, fit_set
from ganfit_nb.assets import asset_path
from ganfit_nb.evaluation.known_face import known_face, picture_of
from ganfit_nb.fitting.second_view import second_view
from ganfit_nb.fitting.views import Views

CONFIG = FitConfig(steps=3, size=96)


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


@pytest.fixture(scope="module")
def people(model):
    person = known_face(model, 7, 7)
    views = [person, second_view(person, 7, 1)]
    return [[Photo.open(asset_path("astronaut.png"))], [Photo.from_image(picture_of(model, v, 384)) for v in views]]


@pytest.fixture(scope="module")
def turns(people, model):
    return list(fit_people(people, model, CONFIG))


def test_each_is_fitted_as_if_alone(people, turns, model):
    """Sums over a batch have another order than those over one face, and Adam's first updates have the size of its rate
    even where a gradient is hardly more than rounding: the ways differ by little of their length."""
    for person, photos in enumerate(people):
        alone = [step for step in fit_set(photos, model, CONFIG) if step.stage == "joint"]
        together = [turn[person] for turn in turns if turn[person].stage == "joint"]
        for one, other in zip(alone[0].steps, together[0].steps, strict=True):
            assert other.losses == pytest.approx(one.losses, rel=1e-4)
            assert other.gradient_norms == pytest.approx(one.gradient_norms, rel=1e-3)
        for start, one, other in zip(alone[0].steps, alone[-1].steps, together[-1].steps, strict=True):
            assert other.losses == pytest.approx(one.losses, rel=0.02)
            for name, value in one.parameters.items():
                way = (value - getattr(start.parameters, name)).abs().mean()
                assert (getattr(other.parameters, name) - value).abs().mean() < 0.1 * way, name


def test_who_has_settled_keeps_the_last_step(turns):
    stages = [[step.stage for step in turn] for turn in turns]
    assert ["align", "consistency"] in stages
    waiting = [turn[0] for turn in turns if [step.stage for step in turn] == ["align", "consistency"]]
    assert all(step is waiting[0] for step in waiting)
    assert stages[-4:] == [["joint", "joint"]] * 4


def test_it_goes_on_from_any_step_of_the_joint_stage(people, turns, model):
    rest = list(fit_people(people, model, CONFIG, starts=turns[-3]))
    assert len(rest) == 2
    for turn, other in zip(turns[-2:], rest, strict=True):
        for one, two in zip(turn, other, strict=True):
            assert one.total == two.total


def test_people_without_photos_are_refused(people, model):
    with pytest.raises(GanfitError):
        next(fit_people([*people, []], model, CONFIG))


def test_rows_belong_to_people_or_to_views(model):
    views, face = Views.of([2, 1]), model.mean_parameters()
    records = [face.map(lambda value, k=k: torch.full_like(value, k)) for k in (1.0, 2.0, 3.0)]
    rows = views.together(records)
    assert rows.identity[:, 0].tolist() == rows.texture[:, 0].tolist() == [1.0, 3.0]
    assert rows.camera[:, 0].tolist() == [1.0, 2.0, 3.0]
    apart = views.apart(rows)
    assert [float(record.identity[0]) for record in apart] == [1.0, 1.0, 3.0]
    assert [float(record.light[0]) for record in apart] == [1.0, 2.0, 3.0]
    assert views.counts == [2, 1]
    assert views.per_view(torch.tensor([5.0, 7.0])).tolist() == [5.0, 5.0, 7.0]
