"""The fit as a generator, on the bundled portrait and the shipped models, at a small size."""

from dataclasses import replace
from itertools import islice

import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, FreeGroups, GanfitError, LossWeights, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.fitting.rates import COARSE, learning_rates

CONFIG = FitConfig(steps=3, size=96)


@pytest.fixture(scope="module")
def photo():
    return Photo.open(asset_path("astronaut.png"))


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


@pytest.fixture(scope="module")
def steps(photo, model):
    return list(fit(photo, model, CONFIG))


def assert_equal_steps(a, b):
    assert (a.stage, a.index, a.losses, a.gradient_norms) == (b.stage, b.index, b.losses, b.gradient_norms)
    for name, value in a.parameters.items():
        assert torch.equal(value, getattr(b.parameters, name)), name


def test_the_stages_follow_each_other_and_count_from_zero(steps):
    aligned = [step.index for step in steps if step.stage == "align"]
    joint = [step.index for step in steps if step.stage == "joint"]
    assert aligned == list(range(len(aligned)))
    assert len(aligned) > 3
    assert joint == list(range(CONFIG.steps + 1))
    assert [step.seconds for step in steps] == sorted(step.seconds for step in steps)


def test_alignment_brings_the_landmarks_together(steps):
    aligned = [step.losses["landmark"] for step in steps if step.stage == "align"]
    assert aligned[-1] < 0.4 * aligned[0]


def test_the_joint_stage_lowers_the_objective(photo, model):
    weights = LossWeights(second_identity=0.0)  # drawn anew each step, it hides the descent
    totals = [step.total for step in fit(photo, model, FitConfig(steps=12, size=96), weights) if step.stage == "joint"]
    assert totals[-1] < 0.95 * totals[0]


def test_equal_seeds_give_equal_bits(photo, model, steps):
    for a, b in zip(steps, fit(photo, model, CONFIG), strict=True):
        assert_equal_steps(a, b)


def test_another_seed_gives_another_fit(photo, model, steps):
    *_, other = fit(photo, model, replace(CONFIG, seed=1))
    assert other.losses["second_identity"] != steps[-1].losses["second_identity"]


@pytest.mark.parametrize("at", [2, -3])  # in the middle of either stage
def test_a_resumed_fit_is_the_straight_fit(photo, model, steps, at):
    start = steps[at]
    rest = steps[steps.index(start) + 1 :] if at >= 0 else steps[at + 1 :]
    for a, b in zip(rest, fit(photo, model, CONFIG, start=start), strict=True):
        assert_equal_steps(a, b)


def test_a_branch_with_other_weights_leaves_the_straight_fit(photo, model, steps):
    branch = list(fit(photo, model, CONFIG, LossWeights(pixel=0.0), start=steps[-3]))
    assert "pixel" not in branch[-1].losses
    assert not torch.equal(branch[-1].parameters.texture, steps[-1].parameters.texture)


def test_weights_may_change_in_the_middle(photo, model):
    weights = LossWeights()
    running = fit(photo, model, CONFIG, weights)
    step = next(step for step in running if step.stage == "joint")
    assert "content" in step.losses
    weights.content = 0.0
    step = next(running)
    assert "content" not in step.losses
    weights.content = 50.0
    assert "content" in next(running).losses


@pytest.mark.parametrize("name", ["identity", "expression", "camera"])
def test_a_frozen_group_stays_through_the_alignment(photo, model, steps, name):
    free = FreeGroups(**{name: False})
    last = [step for step in fit(photo, model, CONFIG, free=free) if step.stage == "align"][-1]
    for group, value in last.parameters.items():
        stands = torch.equal(value, getattr(steps[0].parameters, group))
        assert stands == (group in {name, "texture", "light"})
    assert last.losses["landmark"] < steps[0].losses["landmark"]


@pytest.mark.parametrize("name", ["identity", "expression", "texture", "camera", "light"])
def test_a_group_may_freeze_and_thaw_in_the_middle(photo, model, steps, name):
    free = FreeGroups()
    running = fit(photo, model, CONFIG, free=free, start=steps[-4])  # step 0 of the joint stage
    setattr(free, name, False)  # before the generator runs for the first time
    frozen = next(running)
    setattr(free, name, True)
    thawed = next(running)
    for group, start in steps[-4].parameters.items():
        now = [getattr(step.parameters, group) for step in (frozen, thawed)]
        assert torch.equal(now[0], start) == (group == name)
        assert not torch.equal(now[1], now[0])
    assert frozen.gradient_norms[name] > 0  # where it would like to go is still told
    pace = (getattr(thawed.parameters, name) - getattr(frozen.parameters, name)).abs()
    rates = learning_rates(steps[0].parameters, model.morphable, 0)
    assert (pace <= 1.01 * getattr(rates, name)).all()  # Adam's first update, no more


def test_the_joint_stage_leaves_the_head_s_proportions_and_shapes_its_details(model, steps):
    identity = [step.parameters.identity for step in steps if step.stage == "joint"]
    moved, coarse = (identity[-1] - identity[0]).abs(), model.morphable.identity_sizes > COARSE
    assert 10 < int(coarse.sum()) < 50
    assert float(moved[coarse].max()) < 0.1 * float(moved[~coarse].median())
    rates = [learning_rates(steps[0].parameters, model.morphable, index).identity for index in (0, 25, 200)]
    torch.testing.assert_close(rates[1], rates[0] / 2)
    assert bool((rates[2] < rates[1]).all())


def test_a_fit_with_frozen_groups_resumes_bit_equal(photo, model):
    free = FreeGroups(identity=False, light=False)
    straight = list(fit(photo, model, CONFIG, free=free))
    start = straight[-3]
    for a, b in zip(straight[-2:], fit(photo, model, CONFIG, free=free, start=start), strict=True):
        assert_equal_steps(a, b)
    assert torch.equal(straight[-1].parameters.light, straight[0].parameters.light)


def test_with_every_group_frozen_nothing_moves(photo, model):
    free = FreeGroups(*[False] * 5)
    first, *_, last = fit(photo, model, CONFIG, free=free)
    assert all(torch.equal(value, getattr(first.parameters, name)) for name, value in last.parameters.items())


def test_steps_do_not_alias_the_running_fit(photo, model, steps):
    running = fit(photo, model, CONFIG)
    first = next(running)
    kept = first.parameters.detached()
    list(islice(running, 3))
    first.parameters.identity.add_(100.0)  # a careless caller
    for a, b in zip(steps[4:6], running, strict=False):
        assert_equal_steps(a, b)
    assert not torch.equal(kept.identity, first.parameters.identity)


def test_images_are_kept_when_asked_for(photo, model):
    kept = [
        step.image is not None for step in fit(photo, model, replace(CONFIG, image_every=2)) if step.stage == "joint"
    ]
    assert kept == [True, False, True, False]


def test_all_weights_zero_stands_still(photo, model, steps):
    nothing = LossWeights().only()
    last = list(fit(photo, model, CONFIG, nothing, start=steps[-3]))[-1]
    assert last.total == 0
    assert all(norm == 0 for norm in last.gradient_norms.values())


def test_no_steps_is_the_alignment_alone(photo, model):
    assert [step.stage for step in fit(photo, model, FitConfig(steps=0, size=96))][-2:] == ["align", "joint"]


@pytest.mark.parametrize("wrong", [{"steps": -1}, {"size": 8}, {"image_every": -1}, {"device": "tpu"}])
def test_a_configuration_that_makes_no_sense_is_explained(wrong):
    with pytest.raises(GanfitError):
        FitConfig(**wrong)
