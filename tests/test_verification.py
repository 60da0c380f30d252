import numpy as np
import pytest

from ganfit_nb import GanfitError
from ganfit_nb.evaluation.verification import best_threshold, overlap, verify


def test_distributions_that_a_threshold_parts_do_not_overlap_and_equal_ones_do():
    assert overlap(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == 0
    values = np.linspace(0, 1, 100)
    assert overlap(values, values) == pytest.approx(1, abs=0.02)
    assert overlap(np.array([0.1, 0.2]), np.array([0.8, 0.9])) == 1  # the wrong way round is no better than alike


def test_the_overlap_of_two_normal_distributions_is_the_known_one():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 20_000), rng.normal(-1, 1, 20_000)
    assert overlap(a, b) == pytest.approx(2 * 0.1587, abs=0.01)  # 2 Φ(-1)


def test_the_best_threshold_is_in_the_middle_of_the_gap():
    similarity, same = np.array([0.2, 0.9, 0.4, 0.8]), np.array([False, True, False, True])
    assert best_threshold(similarity, same) == pytest.approx(0.6)


def test_each_fold_is_judged_by_the_others_threshold():
    """Both folds are separable by themselves, but not by one another's threshold."""
    similarity = np.array([0.1, 0.2, 0.8, 0.9])
    same, fold = np.array([False, True, False, True]), np.array([0, 0, 1, 1])
    found = verify(similarity, same, fold)
    assert found.accuracy == 0.5
    assert found.standard_error == 0
    assert found.threshold == pytest.approx((0.15 + 0.85) / 2)


def test_accuracy_has_the_standard_error_of_the_mean_over_folds():
    similarity = np.array([0.1, 0.9, 0.1, 0.9, 0.9, 0.1])
    same, fold = np.array([False, True] * 3), np.repeat([0, 1, 2], 2)
    found = verify(similarity, same, fold)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.standard_error == pytest.approx(1 / 3)


def test_one_fold_cannot_be_verified():
    with pytest.raises(GanfitError, match="two folds"):
        verify(np.array([0.1, 0.9]), np.array([False, True]), np.array([0, 0]))
