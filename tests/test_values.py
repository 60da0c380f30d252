"""Wrong values are told at once, in one sentence."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, FreeGroups, GanfitError, LossWeights, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.fitting.stages import fit_set

NAN = float("nan")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LossWeights(pixel=NAN), "The weight pixel must be a finite number"),
        (lambda: LossWeights(identity=-1.0), "not negative"),
        (lambda: LossWeights(content=float("inf")), "finite"),
        (lambda: setattr(LossWeights(), "pixl", 0.0), "LossWeights has no pixl; it has identity, second_identity"),
        (lambda: setattr(LossWeights(), "pixel", NAN), "The weight pixel must be a finite number"),
        (lambda: setattr(FreeGroups(), "camra", False), "FreeGroups has no camra; it has identity, expression"),
        (lambda: FitConfig(steps=-1), "steps must be a whole number from 0"),
        (lambda: FitConfig(size=8), "size must be a whole number from 32 to 2048"),
        (lambda: FitConfig(size=10**6), "size must be a whole number from 32 to 2048"),
        (lambda: FitConfig(seed=-1), "seed must be a whole number from 0"),
        (lambda: FitConfig(seed=2**70), "seed must be a whole number from 0"),
        (lambda: FitConfig(image_every=-1), "image_every must be a whole number"),
        (lambda: FitConfig(device="tpu"), "device must be one of cpu, cuda"),
    ],
)
def test_a_value_that_makes_no_sense_is_one_sentence(make, message):
    with pytest.raises(GanfitError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_numbers_of_other_kinds_are_taken():
    weights = LossWeights()
    weights.pixel = np.float32(2.0)
    assert weights.only("pixel").active() == {"pixel": 2.0}
    weights.content = 0
    assert weights.content == 0.0


WRONG_TYPES = """
from ganfit_nb import FaceModel, FitConfig, GanfitError, LossWeights
makers = [
    lambda: FitConfig(steps=2.5), lambda: FitConfig(steps="10"), lambda: FitConfig(size=None),
    lambda: FitConfig(seed="a"), lambda: FaceModel.default("pcaa"), lambda: FaceModel.default(None),
    lambda: LossWeights(pixel="1"), lambda: LossWeights(pixel=None), lambda: LossWeights(pixel=[1.0]),
]
for number, make in enumerate(makers):
    try:
        make()
    except GanfitError as error:
        print(error)
    else:
        raise SystemExit(f"{number} was taken")
"""


def test_values_of_another_type_are_one_sentence():
    """In a process of its own: the tests' shape checks refuse them first."""
    run = subprocess.run([sys.executable, "-c", WRONG_TYPES], capture_output=True, text=True, env=os.environ)
    assert run.returncode == 0, run.stderr + run.stdout
    assert len(run.stdout.splitlines()) == 9
    assert "There is no texture model 'pcaa'; give gan or pca." in run.stdout


@pytest.fixture(scope="module")
def photo():
    return Photo.open(asset_path("astronaut.png"), size=96)


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


CONFIG = FitConfig(steps=6, size=96)


def steps_with_a_weight_that_is_too_large(run, weights, index):
    """The steps of a fit, whose weight of the pixels is set beyond single precision at one of the joint stage."""
    for step in run:
        yield step
        if step.stage == "joint" and step.index == index:
            weights.pixel = 1e38


def test_a_fit_that_goes_bad_says_where_and_keeps_the_last_good_state(photo, model):
    weights, made = LossWeights(), []
    run = steps_with_a_weight_that_is_too_large(fit(photo, model, CONFIG, weights), weights, 2)
    with pytest.raises(GanfitError, match=r"went bad at step 3 of the stage joint: the .* is no finite number"):
        made.extend(run)
    assert (made[-1].stage, made[-1].index) == ("joint", 2)
    again = list(fit(photo, model, CONFIG, LossWeights(), start=made[-1]))
    assert again[-1].index == 6
    assert np.isfinite(again[-1].total)


def test_parameters_that_are_no_numbers_are_told_by_term(photo, model):
    *_, start = fit(photo, model, FitConfig(steps=0, size=96))
    texture = torch.full_like(start.parameters.texture, NAN)
    bad = replace(start, parameters=start.parameters.replace(texture=texture))
    with pytest.raises(GanfitError, match="went bad at step 0 of the stage joint: the term"):
        list(fit(photo, model, CONFIG, start=bad))


def test_a_set_that_goes_bad_says_where(photo, model):
    weights = LossWeights()
    run = steps_with_a_weight_that_is_too_large(fit_set([photo, photo], model, CONFIG, weights), weights, 0)
    with pytest.raises(GanfitError, match="went bad at step 1 of the stage joint"):
        list(run)
