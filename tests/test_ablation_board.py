"""Variants side by side as a component, without a browser."""

import re

import pytest
import torch

from ganfit_nb import FaceModel, FitConfig, GanfitError, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.evaluation.ablation import VARIANTS
from ganfit_nb.results.result import Result
from ganfit_widgets import AblationBoard
from ganfit_widgets.ablation_board import _draw_table
from ganfit_widgets.measures import Measures

CONFIG = FitConfig(steps=2, size=64)
MODEL = FaceModel.default()


@pytest.fixture(scope="module")
def board():
    board = AblationBoard(Photo.open(asset_path("astronaut.png")), MODEL, CONFIG)
    board.chosen = ("no-pixel", "full")
    board.run(2)
    assert re.search(r"align</b> step 2 · .* · about \d+ s left$", board.transport.status.value)
    board.run()
    return board


def test_variants_run_in_step_from_the_same_start(board):
    assert board.chosen == ("full", "no-pixel")  # in the figure's order
    last = board.steps[-1]
    assert set(last) == set(board.chosen)
    assert {step.index for step in last.values()} == {2}
    assert "pixel" not in last["no-pixel"].losses
    begin = [step.parameters.identity for step in board.steps[0].values()]
    assert all(torch.equal(begin[0], other) for other in begin)
    assert board._pictures["full"]._image.value != board._pictures["pca"]._image.value  # which shows the photo
    assert len(board._views.children) == 2
    assert f"step {len(board.steps)} of {len(board.steps)}" in board.transport.status.value


def test_the_table_is_measured_for_all(board):
    assert set(board.measures) == {"full", "no-pixel"}
    full = Result(board.photo, MODEL.seen_at(64), CONFIG, [board.steps[-1]["full"]])
    assert board.measures["full"].landmarks == pytest.approx(full.landmark_error())
    assert board.measures["full"].pixel == pytest.approx(board.steps[-1]["full"].losses["pixel"], rel=1e-4)
    assert board.measures["no-pixel"].pixel > 0  # although its fit never computed it
    assert f"{board.measures['full'].identity:.3f}" in board._table._html.value
    assert "← best" in board._table._html.value
    assert board.measures["full"].similarity == pytest.approx(full.identity_similarity())
    assert board.picture().width > 200


def test_the_largest_similarity_is_the_best_and_what_is_not_judged_is_left_out():
    measures = {"a": Measures(0.2, 0.1, 0.1, 0.5), "b": Measures(0.1, 0.1, 0.1, 0.6), "c": Measures(0.3, 0.1, 0.1)}
    words = _draw_table(measures).svg("the table")
    assert ">0.60  ← best<" in words
    assert ">0.50<" in words
    assert ">0.100  ← best<" in words  # the smallest distance
    assert words.count("best") == 2  # the others are ties


def test_the_picture_keeps_its_size(board):
    """A saved output that changed its size would differ from the one that is first displayed."""
    size = board.picture().size
    board.restart()
    assert board.measures == {}
    assert board.picture().size == size


def test_toggles_choose_and_the_last_one_stays(board):
    board.chosen = ("full",)
    board._toggles["pca"].value = True
    assert board.chosen == ("full", "pca")
    board._toggles["pca"].value = False
    board._toggles["full"].value = False
    assert board.chosen == ("full",)
    assert board._toggles["full"].value
    for wrong in ((), ("half",)):
        with pytest.raises(GanfitError, match="at least one"):
            board.chosen = wrong
    assert [toggle.description for toggle in board._toggles.values()] == [v.label for v in VARIANTS.values()]


def test_what_was_computed_is_kept():
    board = AblationBoard(Photo.open(asset_path("astronaut.png")), MODEL, CONFIG)
    board.chosen = ("full", "no-pixel")
    board.run(3)
    first = [step["full"] for step in board.steps]
    board.chosen = ("full",)
    assert [step["full"] for step in board.steps] == first
    assert "full" in board.measures
    board.chosen = ("full", "no-pixel", "no-landmark")
    assert board.index == -1  # the new one catches up
    board.run(3)
    assert all(step["full"] is kept for step, kept in zip(board.steps, first, strict=True))
    board.run(1)
    assert len(board.steps) == 4
    board.restart()
    board.run(1)
    assert board.steps[0]["full"] is not first[0]
