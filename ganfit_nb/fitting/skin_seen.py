"""How much each pixel of a photo tells about the skin: nothing where hair, glasses, a hand or a hat hide it.

The paper compares all pixels of the face (Eq. 10), so what hides the skin becomes skin. Here a pixel weighs the product
of what is known of it:

* the model's region of skin, where its mesh is seen, within the photo's borders;
* the probability that it shows no hair (`Photo.hair`);
* how well the fit explains it. The difference of photo and rendering is averaged over a few millimetres, which wrinkles
  and noise do not survive. Its size d weighs 1 / (1 + (d / c)⁴), a redescending M-estimator: what is far from
  explained counts almost nothing, but never nothing, so that the texture can still learn it.

c is relative to the median of d, because hard light and unusual skin make all differences large, and not below CLEAR,
because a good fit is still no perfect one. At most a quarter of the skin may weigh less than a half: hard shadows are
no occluder. All of it follows from the present rendering alone, so a fit may be resumed at any step. Gradients take the
weights as given, as iteratively reweighted least squares does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.blur import gaussian_blur
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer import Rendering

COARSE = 64  # px: differences are looked at in pictures of this side, in which a pixel is 4 mm of the face
COHERENT = 1.0  # px of them, standard deviation of the average
CLEAR = 0.1  # display values: nothing below it is an occluder
MEDIANS = 2.0  # and nothing below so many medians; with 3 dark sunglasses end up on dark skin
MOST_HIDDEN = 0.25  # share of the skin


@dataclass(frozen=True)
class SkinSeen:
    """One photo, or several with a leading dimension, as evidence about skin.

    image      the aligned photo
    uncovered  1 where it may show skin: within its borders, and no hair
    robust     whether what the fit does not explain weighs less
    """

    image: Float[Tensor, "*n H W 3"]
    uncovered: Float[Tensor, "*n H W"]
    robust: bool

    @classmethod
    def of(cls, photo: Photo, occlusion: bool = True) -> SkinSeen:
        """A photo. Without `occlusion` nothing is taken to hide the face, as in the paper."""
        inside = photo.inside.to(photo.image)
        return cls(photo.image, inside * (1 - photo.hair) if occlusion else inside, occlusion)

    @classmethod
    def together(cls, photos: Sequence[Photo], occlusion: bool = True) -> SkinSeen:
        """Photos of one size, one a view."""
        each = [cls.of(photo, occlusion) for photo in photos]
        return cls(torch.stack([e.image for e in each]), torch.stack([e.uncovered for e in each]), occlusion)

    @torch.no_grad()
    def visible(self, model: FaceModel, rendering: Rendering) -> Float[Tensor, "*n H W"]:
        """Where the rendered face has skin and the photo is uncovered, whatever their colours."""
        region = model.morphable.pixel_region[:, None].expand(*self.image.shape[:-3], -1, 1)
        return rendering.interpolate(region)[..., 0] * self.uncovered

    @torch.no_grad()
    def weight(self, model: FaceModel, rendering: Rendering) -> Float[Tensor, "*n H W"]:
        """How much each pixel counts, 0 to 1, for a fit that looks like `rendering`, of the photo's size."""
        visible = self.visible(model, rendering)
        return visible * explained(self.image - rendering.image, visible) if self.robust else visible


def explained(difference: Float[Tensor, "*n H W 3"], visible: Float[Tensor, "*n H W"]) -> Float[Tensor, "*n H W"]:
    """How well a fit that differs so from its photos explains each pixel, 1 to almost 0."""
    size = visible.shape[-2:]
    distance, weight = _coherent(difference.reshape(-1, *size, 3), visible.reshape(-1, *size))
    limit = _limit(torch.where(weight > 0.5, distance, math.nan).flatten(1))
    coarse = 1 / (1 + (distance / limit[:, None, None]).pow(4))
    return F.interpolate(coarse[:, None], size, mode="bilinear")[:, 0].view(visible.shape)


def _coherent(
    difference: Float[Tensor, "V H W 3"], visible: Float[Tensor, "V H W"]
) -> tuple[Float[Tensor, "V h w"], Float[Tensor, "V h w"]]:
    """The size of the average difference of the visible surroundings of each coarse pixel, and how much it shows."""
    both = torch.cat([difference * visible[..., None], visible[..., None]], -1).permute(0, 3, 1, 2)
    both = F.interpolate(both, (COARSE, COARSE), mode="area")
    blurred = gaussian_blur(both.flatten(0, 1), COHERENT).view(both.shape)
    mean = blurred[:, :3] / blurred[:, 3:].clamp(min=0.05)
    return mean.square().mean(1).sqrt(), both[:, 3]


def _limit(distance: Float[Tensor, "V n"]) -> Float[Tensor, " V"]:
    """c of each view, from the distances of its skin; those of other pixels are NaN."""
    relative = MEDIANS * distance.nanmedian(1).values
    capped = distance.nanquantile(1 - MOST_HIDDEN, 1)
    return torch.maximum(relative, capped).nan_to_num(0.0).clamp(min=CLEAR)
