"""Pictures with captions."""

import numpy as np
import torch

from ganfit_widgets import sheet


def test_a_sheet_says_what_each_picture_is():
    pictures = [torch.full((40, 60, 3), value) for value in (0.0, 1.0)]
    drawn = np.asarray(sheet(pictures, ["first", "second"]))
    assert drawn.shape == (58, 126, 3)
    assert (drawn[:40, :60] == 0).all()
    assert (drawn[40:, :60] < 128).any()  # words
    assert (drawn[40:, 66:] < 128).any()
