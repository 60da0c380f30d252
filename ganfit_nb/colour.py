"""Lightness and colour differences."""

from __future__ import annotations

import torch

# Y'CbCr of ITU-R BT.601 without offsets: rows give R, G, B from luma and the two colour differences.
RGB_FROM_YCC = torch.tensor([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]])
