import math

import pytest
import torch

from ganfit_nb.fitting.losses import (
    LossWeights,
    content_distance,
    cosine_distance,
    landmark_distance,
    pixel_distance,
    prior,
)


def test_cosine_distance_is_one_minus_the_cosine_of_the_angle():
    for angle in (0.0, 0.3, math.pi / 2, math.pi):
        a, b = torch.tensor([2.0, 0.0]), 3 * torch.tensor([math.cos(angle), math.sin(angle)])
        assert float(cosine_distance(a, b)) == pytest.approx(1 - math.cos(angle), abs=1e-6)


def test_content_distance_divides_each_layer_by_its_size():
    a = (torch.zeros(1, 2, 4, 4), torch.zeros(1, 8, 2, 2))
    b = (torch.full((1, 2, 4, 4), 3.0), torch.full((1, 8, 2, 2), 1.0))
    expected = 3 * math.sqrt(32) / 32 + math.sqrt(32) / 32
    assert float(content_distance(a, b)) == pytest.approx(expected, rel=1e-6)


def test_pixel_distance_counts_weighted_pixels_only():
    a, b, weight = torch.zeros(4, 4, 3), torch.zeros(4, 4, 3), torch.zeros(4, 4)
    b[0], b[1], weight[1:3] = 9.0, 0.5, 1.0
    assert float(pixel_distance(a, b, weight)) == pytest.approx(0.25)


def test_landmark_distance_sums_point_to_point_distances():
    a, b = torch.zeros(3, 2), torch.tensor([[3.0, 4.0], [0.0, 2.0], [7.0, 0.0]])
    assert float(landmark_distance(a, b, torch.tensor([1.0, 1.0, 0.0]))) == pytest.approx(7.0, abs=2e-3)


def test_landmark_gradient_is_finite_where_points_meet():
    a = torch.zeros(1, 2, requires_grad=True)
    landmark_distance(a, torch.zeros(1, 2), torch.ones(1)).backward()
    assert torch.isfinite(a.grad).all()


def test_prior_of_standard_normal_coefficients_is_about_one():
    assert float(prior(torch.randn(2500))) == pytest.approx(1.0, abs=0.1)


def test_a_weight_of_zero_takes_the_term_out():
    weights = LossWeights()
    assert "pixel" in weights.active()
    weights.pixel = 0.0
    assert "pixel" not in weights.active()
