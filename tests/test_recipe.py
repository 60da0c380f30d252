"""A recipe tells its own results from those of other settings."""

import json
from dataclasses import replace

import pytest
from model_writers import WRITERS, Source

from ganfit_nb import FitConfig
from ganfit_nb.results.recipe import Recipe

RECIPE = Recipe(FitConfig(steps=3), face=(1.0, 2.0))


def stored(recipe: Recipe) -> dict:
    return json.loads(json.dumps(recipe.settings()))


def test_a_recipe_knows_its_own_settings_again():
    assert RECIPE.differs_from(stored(RECIPE)) == ""
    assert replace(RECIPE, texture="gan").differs_from(stored(RECIPE)) == ""  # which is what it has without a word


@pytest.mark.parametrize(
    ("name", "value"), [("steps", 4), ("size", 64), ("seed", 1), ("informed_prior", False), ("consistency", False)]
)
def test_every_number_counts(name, value):
    other = replace(RECIPE, config=replace(RECIPE.config, **{name: value}))
    assert other.differs_from(stored(RECIPE)) == f"{name} {getattr(RECIPE.config, name)}, not {value}"


def test_texture_face_and_weights_count():
    assert "texture" in replace(RECIPE, texture="pca").differs_from(stored(RECIPE))
    assert "face" in replace(RECIPE, face=2).differs_from(stored(RECIPE))
    assert "weights" in replace(RECIPE, without=("pixel",)).differs_from(stored(RECIPE))


def test_the_texture_of_a_models_file_is_not_the_linear_one(tmp_path):
    recipe = Recipe(model=WRITERS["bfm2017"](tmp_path, Source.make()))
    assert recipe.parts()["texture"] == "the model's own"
    assert recipe.differs_from(stored(recipe)) == ""
    assert "texture" in recipe.differs_from(stored(replace(recipe, texture="pca")))
    assert recipe.face_model().morphable is replace(recipe, texture="pca").face_model().morphable  # read once
