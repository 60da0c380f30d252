"""Curves as SVG and as a picture."""

import re

import numpy as np
import pytest

from ganfit_nb.results.curves import HEIGHT, POINTS, TOP
from ganfit_widgets import CurveChart


@pytest.fixture
def chart():
    return CurveChart("loss")


def curves(chart):
    """The points of every curve."""
    return [
        [tuple(map(float, pair.split(","))) for pair in points.split()]
        for points in re.findall('points="(.*?)"', chart._view.value)
    ]


def test_the_axis_is_logarithmic(chart):
    chart.show([{"pixel": 1.0}, {"pixel": 0.1}, {"pixel": 0.01}], ["joint"] * 3)
    ((_, a), (_, b), (_, c)) = curves(chart)[0]
    assert a == TOP
    assert b - a == pytest.approx(c - b)


def test_what_is_missing_or_zero_is_left_out(chart):
    chart.show([{"a": 1.0, "b": 0.0}, {"a": 1e-30, "b": 0.5}, {"b": float("inf")}], ["align", "joint", "joint"])
    assert [len(curve) for curve in curves(chart)] == [2, 2]  # one value each, drawn as a dash
    assert ">joint<" in chart._view.value
    chart.show([{}])
    chart.show([])
    assert "no step yet" in chart._view.value
    assert all(0 <= y <= HEIGHT for curve in curves(chart) for _, y in curve)


def test_long_histories_stay_small_and_keep_their_end(chart):
    chart.show([{"a": 1.0 + step} for step in range(10_000)])
    (curve,) = curves(chart)
    assert len(curve) <= POINTS + 1
    assert curve[-1][1] < curve[0][1]


def test_a_mark_and_what_was_before_a_branch(chart):
    chart.show([{"a": 1.0}] * 4, at=2, before=[{"a": 1.0}, {"a": 0.5}])
    assert len(curves(chart)) == 2
    assert "stroke-dasharray" in chart._view.value
    assert 'stroke-opacity="0.9"' in chart._view.value


def test_words_are_escaped(chart):
    chart.show([{"<b>": 1.0}])
    assert "<b>" not in chart._view.value


def test_the_picture_shows_the_curves(chart):
    chart.show([{"a": 1.0}, {"a": 0.1}])
    blue = np.asarray(chart.picture()).astype(int)
    assert ((blue[..., 2] - blue[..., 0]) > 100).sum() > 100


def test_a_curve_keeps_its_colour(chart):
    def colour(name):
        return re.search(rf'fill="(#\w+)">● {name}<', chart._view.value)[1]

    chart.show([{"a": 1.0, "b": 1.0, "c": 1.0}])
    before = colour("c")
    chart.show([{"b": 1.0, "c": 1.0}])  # a has been switched off
    assert colour("c") == before
    chart.show([])
    chart.show([{"c": 1.0}, {"a": 1.0, "c": 1.0}])
    assert colour("c") == before
