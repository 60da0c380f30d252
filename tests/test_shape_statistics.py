"""What the shape model is made of: facial actions as coefficients of orthogonal modes."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from ganfit_nb.face.facial_actions import FACIAL_ACTIONS
from ganfit_nb.training.shape.shape_statistics import Modes, action_coefficients


def test_actions_are_projected_onto_the_modes():
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(30, 5)))[0].T.reshape(5, 10, 3)
    modes = Modes(directions[:4] * np.array([4.0, 3.0, 2.0, 1.0])[:, None, None], total=30.0)
    known = rng.normal(size=(len(FACIAL_ACTIONS), 4))
    displacements = {
        name: np.tensordot(row, modes.basis, 1) + 7 * directions[4]  # and something that no mode can do
        for name, row in zip(FACIAL_ACTIONS, known, strict=True)
    }
    found = action_coefficients(displacements, modes, lambda shape: shape)
    np.testing.assert_allclose(found, known, atol=1e-12)
