"""A batch in groups, each of which is one program: as a GPU does it, here on the CPU."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from fake_recipes import PickyRecipe, fake_tasks
from PIL import Image

from ganfit_nb.assets import asset_path
from ganfit_nb.batches.batch import fit_all, fit_each, tasks_of
from ganfit_nb.batches.together import faces_at_once, fit_together
from ganfit_nb.batches.workers import workers
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.results.recipe import Recipe

PORTRAIT = asset_path("astronaut.png")


def outcomes(tasks, work):
    with workers(1):
        return {outcome.name: outcome for outcome in fit_all(tasks, work)}


def test_the_results_are_those_of_single_fits(tmp_path):
    Image.open(PORTRAIT).convert("L").save(tmp_path / "grey.png")
    (tmp_path / "text.jpg").write_text("hello")
    photos = {"colour": PORTRAIT, "grey": tmp_path / "grey.png", "text": tmp_path / "text.jpg"}
    recipe = Recipe(FitConfig(steps=2, size=96))
    records = {}
    for name, work in (("alone", fit_each), ("together", partial(fit_together, at_once=2))):
        found = outcomes(tasks_of(photos, tmp_path / name, recipe), work)
        assert {k: v.status for k, v in found.items()} == {"colour": "fitted", "grey": "fitted", "text": "failed"}
        assert "is not an image" in found["text"].reason
        records[name] = [json.loads((tmp_path / name / k / "fit.json").read_text()) for k in ("colour", "grey")]
    for alone, together in zip(*records.values(), strict=True):
        assert alone["stages"] == together["stages"]
        assert together["identity_distance"] == pytest.approx(alone["identity_distance"], rel=0.02)
        for name, values in alone["losses"].items():
            shown, expected = ([v for v in of if v is not None] for of in (together["losses"][name], values))
            assert shown == pytest.approx(expected, rel=0.02), name


def picky(tmp_path, texts):
    return [replace(task, recipe=PickyRecipe()) for task in fake_tasks(tmp_path, texts)]


def test_who_fails_fails_alone_and_a_group_that_is_too_large_is_halved(tmp_path):
    texts = {name: "good" for name in ("a", "b", "ill", "d", "e")} | {"f": "bad", "g": "odd"}
    found = outcomes(picky(tmp_path, texts), partial(fit_together, at_once=4))
    assert {name for name, outcome in found.items() if outcome.status == "fitted"} == {"a", "b", "d", "e"}
    assert found["ill"].reason == "ill went bad."
    assert found["f"].reason == "f.jpg is bad."
    assert "ZeroDivisionError" in found["g"].reason
    again = outcomes(picky(tmp_path, texts), partial(fit_together, at_once=4))
    assert {name for name, outcome in again.items() if outcome.earlier} == {"a", "b", "d", "e"}


def test_a_photo_that_kills_its_process_stops_no_other(tmp_path):
    texts = {"a": "good", "b": "deadly", "c": "good"}
    with workers(2):
        found = {o.name: o for o in fit_all(picky(tmp_path, texts), partial(fit_together, at_once=2))}
    assert {name: outcome.status for name, outcome in found.items()} == {"a": "fitted", "b": "failed", "c": "fitted"}
    assert "processes died" in found["b"].reason


def test_a_group_is_as_large_as_memory_allows(monkeypatch):
    sizes = {}
    for free in (0.2, 3, 140):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (int(free * 2**30), 140 * 2**30))
        sizes[free] = [faces_at_once(FitConfig(size=size)) for size in (128, 256, 1024)]
    assert sizes == {0.2: [1, 1, 1], 3: [9, 9, 1], 140: [64, 64, 28]}
