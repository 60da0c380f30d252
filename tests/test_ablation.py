import csv
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from ganfit_nb import FaceModel, FitConfig, LossWeights, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.commands.cli import main
from ganfit_nb.evaluation import ablation_report
from ganfit_nb.evaluation.ablation import VARIANTS, side_by_side
from ganfit_nb.face.texture import PcaTexture
from ganfit_nb.networks.face_reidentification import DIFFERENT_PEOPLE
from ganfit_nb.results.export import to_pil
from ganfit_nb.results.recipe import Recipe


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


def test_a_batch_fits_a_variant_as_it_fits_itself():
    for variant in VARIANTS.values():
        recipe = variant.recipe(Recipe())
        assert recipe.weights() == variant.weights()
        assert isinstance(recipe.face_model().texture, type(variant.model(FaceModel.default()).texture))


def test_the_ablation_keeps_its_own_texture_for_the_end(tmp_path, capsys):
    assert main(["evaluate", "ablation", "--texture", "pca", "--out", str(tmp_path / "out")]) == 1
    assert "leave --texture pca out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_draws_a_sheet_and_a_table(tmp_path, monkeypatch, capsys):
    for name in set(VARIANTS) - {"full", "no-pixel"}:
        monkeypatch.delitem(VARIANTS, name)
    monkeypatch.setattr(ablation_report, "UNSEEN_VIEWS", range(1_000_000, 1_000_002))
    portrait = str(asset_path("astronaut.png"))
    draw, drawn, pages = ablation_report.figure_5, [], []

    def kept(*arguments):
        drawn.append(arguments)
        pages.append(draw(*arguments))
        return pages[-1]

    monkeypatch.setattr(ablation_report, "figure_5", kept)
    command = ["evaluate", "ablation", portrait, "--known-face", "3", "--out", str(tmp_path), "--steps", "2"]
    assert main([*command, "--jobs", "1"]) == 0
    with (tmp_path / "ablation.csv").open(newline="") as file:
        rows = {(row["photo"], row["variant"]): row for row in csv.DictReader(file)}
    assert list(rows) == [(photo, key) for photo in ("astronaut", "known-3") for key in VARIANTS]
    assert float(rows["astronaut", "no-pixel"]["pixel"]) > float(rows["astronaut", "full"]["pixel"])
    assert all(0.5 < float(row["shape_error"]) < 5 for (photo, _), row in rows.items() if photo == "known-3")
    assert all(row["shape_error"] == "" for (photo, _), row in rows.items() if photo == "astronaut")
    told = capsys.readouterr().out.splitlines()
    assert [line[:11].strip() for line in told[1:3]] == ["full", "−L_pix"]
    with Image.open(tmp_path / "ablation.png") as sheet:
        assert sheet.size == tuple(round(120 * inches) for inches in pages[0].get_size_inches())
    (photos, ablated), rows = drawn[0], len(ablation_report.ROWS)
    axes = np.array(pages[0].axes).reshape(len(photos), rows, 1 + len(VARIANTS))
    for block, photo, variants in zip(axes, photos, ablated, strict=True):
        shown = [[axis.get_images()[0].get_array() for axis in column] for column in block[:, 1:].T]
        assert np.array_equal(block[0, 0].get_images()[0].get_array(), np.asarray(to_pil(photo.image)))
        for pictures, variant in zip(shown, variants, strict=True):
            assert all(np.array_equal(*pair) for pair in zip(pictures, variant.pictures, strict=True))
        assert not any(np.array_equal(*pair) for pair in zip(*shown, strict=True))  # without the loss, another face
        assert [axis.get_xlabel().split(",")[0] for axis in block[-1, 1:]] == [
            f"identity {variant.row.identity_distance:.2f}" for variant in variants
        ]
        for variant in variants:
            record = json.loads((tmp_path / "fits" / variant.row.photo / variant.row.variant / "fit.json").read_text())
            assert variant.row.identity_similarity == pytest.approx(record["identity_similarity"], abs=0.05)
            assert DIFFERENT_PEOPLE < variant.row.turned_similarity < 1
            assert abs(variant.row.turned_similarity - variant.row.identity_similarity) > 1e-3  # of other views
