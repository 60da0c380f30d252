from dataclasses import asdict

import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, LossWeights, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.evaluation.ablation import VARIANTS, side_by_side
from ganfit_nb.texture import PcaTexture


@pytest.fixture(scope="module")
def turns():
    photo = Photo.open(asset_path("astronaut.png"))
    return list(side_by_side(photo, FaceModel.default(), FitConfig(steps=1, size=64, seed=3)))


def test_every_variant_takes_its_own_terms_away_and_no_other():
    full = asdict(LossWeights())
    for variant in VARIANTS.values():
        weights = asdict(variant.weights())
        assert {name for name in full if weights[name] != full[name]} == set(variant.without)
        assert all(weights[name] == 0 for name in variant.without)


def test_variants_start_from_the_same_face_and_part_in_the_joint_stage(turns):
    begin = next(turn for turn in turns if turn["full"].stage == "joint")
    for name in VARIANTS:
        for group in ("identity", "expression", "camera"):
            assert torch.equal(getattr(begin[name].parameters, group), getattr(begin["full"].parameters, group))
        assert set(begin[name].losses) == set(asdict(LossWeights())) - set(VARIANTS[name].without)
    end = [turns[-1][name].parameters.identity for name in VARIANTS]
    assert all(not torch.equal(end[0], other) for other in end[1:])


def test_the_pca_variant_keeps_the_shape_model():
    full = FaceModel.default()
    variant = VARIANTS["pca"].model(full)
    assert isinstance(variant.texture, PcaTexture)
    assert variant.morphable is full.morphable
    assert VARIANTS["no-id"].model(full) is full
