import torch

from ganfit_nb.geometry.rigid import rigid_distance, rigid_transform, similarity_distance


def rotation(axis_angle: torch.Tensor) -> torch.Tensor:
    x, y, z = axis_angle.tolist()
    return torch.linalg.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=axis_angle.dtype))


def test_a_known_motion_is_found():
    source = torch.randn(50, 3, dtype=torch.float64)
    turn, shift = rotation(torch.tensor([0.4, -0.2, 1.0], dtype=torch.float64)), torch.tensor([1.0, 2.0, 3.0]).double()
    found_turn, found_shift = rigid_transform(source, source @ turn.T + shift)
    torch.testing.assert_close(found_turn, turn)
    torch.testing.assert_close(found_shift, shift)


def test_scale_and_reflection_are_not_forgiven():
    source = torch.randn(50, 3)
    assert rigid_distance(source, 2 * source) > 0.5
    assert rigid_distance(source, source * torch.tensor([-1.0, 1.0, 1.0])) > 0.3


def test_scale_is_forgiven_where_asked_for():
    source = torch.randn(50, 3)
    assert similarity_distance(2 * source + 1, source) < 1e-5
    assert similarity_distance(source * torch.tensor([-1.0, 1.0, 1.0]), source) > 0.3
