"""Where a photo shows hair, found once for all sizes of the photo, when it is first asked for."""

from __future__ import annotations

from functools import cache, cached_property

import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from ganfit_nb.networks.hair_segmentation import HAIR_SIZE, HairSegmentation
from ganfit_nb.warp import resample, square

# The network sees a square that is so many times as wide as the aligned image. In the aligned image alone it takes some
# beards and shadows for hair, because it does not see that they end below the head. Twice as wide, a pixel is 1.1 mm.
WIDER = 2.0


class Hair:
    """The hair in a photo.

    original     the decoded photo
    to_original  affine map from px of the aligned image, which has `size` px a side, to px of `original`
    """

    def __init__(self, original: UInt8[Tensor, "H W 3"], to_original: Float[Tensor, "2 3"], size: int) -> None:
        self.original, self.to_original, self.size = original, to_original, size

    @cached_property
    def probability(self) -> Float[Tensor, "1 1 512 512"]:
        """The probability of hair in the wide square, as the network tells it."""
        middle = self.size / 2
        wide = square((middle, middle), WIDER * self.size, 0.0, HAIR_SIZE).to(self.to_original)
        transform = self.to_original[:, :2] @ wide + F.pad(self.to_original[:, 2:], (2, 0))
        picture = self.original.permute(2, 0, 1)[None].float() / 255
        return _network()(resample(picture, transform, HAIR_SIZE))

    def at(self, size: int) -> Float[Tensor, "size size"]:
        """The probability of hair for each pixel of the aligned image at a size, px."""
        middle = HAIR_SIZE / 2
        return resample(self.probability, square((middle, middle), HAIR_SIZE / WIDER, 0.0, size), size)[0, 0]


@cache
def _network() -> HairSegmentation:
    return HairSegmentation()
