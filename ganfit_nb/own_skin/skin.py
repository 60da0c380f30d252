"""The skin of a person as photos show it: unwrapped, without its light, merged and completed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.blur import gaussian_blur
from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.own_skin.complete import SeenMap, complete, merged
from ganfit_nb.own_skin.delight import DARK, delight
from ganfit_nb.own_skin.left_light import COARSE, without_left_light
from ganfit_nb.own_skin.texels import Texels
from ganfit_nb.own_skin.unwrap import MAP_SIDE, region, unwrap
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer.camera import CROP_SIDE
from ganfit_nb.warp import scale_of

SIDES = 1024, 2048  # texels
FINE = 2.0  # px of the photo in a texel of the smaller map, from where the larger one holds more
SOFT = 1 / 300  # of the map's side, over which a weight rises from 0
SHARPER = 2  # power of the share of pixels in the weight of one of several photos


@dataclass(frozen=True)
class OwnSkin:
    """The photo's own skin as a UV map of S × S texels, display values.

    albedo          completed by mirror image and fitted texture where no photo shows it; in [0, 1]
    colour          what the photos show, without their light; 0 where nothing is seen
    weight          how far `colour` is known, in [0, 1]
    seen            mean weight over the face's texels, in [0, 1]
    sharpness       of the sharpest photo within the face (`focus.sharpness`): about 1 in focus, near 0 if enlarged
    residual_light  mean over the photos of the light that one lamp does not explain (`delight.Delit`), in logarithms
    """

    albedo: Float[Tensor, "S S 3"]
    colour: Float[Tensor, "S S 3"]
    weight: Float[Tensor, "S S"]
    seen: float
    sharpness: float
    residual_light: float

    def record(self) -> dict[str, float | int]:
        """The numbers, to be stored."""
        numbers = {"seen": self.seen, "sharpness": self.sharpness, "residual_light": self.residual_light}
        return {"side": len(self.albedo), **{name: round(value, 4) for name, value in numbers.items()}}


@torch.no_grad()
def own_skin(
    photos: Sequence[Photo], model: FaceModel, parameters: Sequence[FaceParameters], side: int | None = None
) -> OwnSkin:
    """The own skin of the person that `model` was fitted to in all `photos`, each with its parameters.

    side  of the map, texels: 128 times a power of two; by default 1024, or 2048 where a photo holds that much

    GanfitError for another side, and for lists of different lengths. Everything is computed on the CPU.
    """
    side = side_for(photos) if side is None else side
    if side < COARSE or side & (side - 1):
        raise GanfitError(f"The side of a map must be a power of two from {COARSE} on, not {side}.", argument="side")
    if len(photos) != len(parameters) or not photos:
        raise GanfitError(f"{len(photos)} photos have {len(parameters)} sets of parameters; give each photo its own.")
    texels, face = _texels(model.morphable, side)
    fitted = _resized(model.texture(parameters[0].texture), side)
    found = [_seen_map(photo, model, p, texels, fitted) for photo, p in zip(photos, parameters, strict=True)]
    maps = _finest_first([one for one, _, _ in found], [footprint for _, footprint, _ in found])
    joined = merged(maps)
    albedo = complete(maps, fitted, texels.covered, texels.skin(model.morphable))
    sharpness, light = zip(*(scores for _, _, scores in found), strict=True)
    seen = float((face * joined.weight).sum() / face.sum())
    return OwnSkin(albedo, joined.colour, joined.weight, seen, max(sharpness), sum(light) / len(light))


def side_for(photos: Sequence[Photo]) -> int:
    """The larger map where a photo has more pixels than the smaller one has texels."""
    finest = max(pixels_per_mm(photo) for photo in photos)
    return SIDES[1] if finest * MAP_SIDE / SIDES[0] >= FINE else SIDES[0]


def pixels_per_mm(photo: Photo) -> float:
    """The resolution of the original photo at the face."""
    return scale_of(photo.to_original) * photo.size / CROP_SIDE


def _texels(mesh: MorphableModel, side: int) -> tuple[Texels, Float[Tensor, "S S"]]:
    """The texels that a photo is asked about, and the face in the map."""
    texels = Texels.of(mesh, side)
    face = texels.image(texels.on(mesh.face_region[:, None].float()))[..., 0]
    return texels.where(region(mesh)), face


def _seen_map(
    photo: Photo, model: FaceModel, parameters: FaceParameters, texels: Texels, fitted: Float[Tensor, "S S 3"]
) -> tuple[SeenMap, Float[Tensor, "S S"], tuple[float, float]]:
    """What one photo shows without its light, the side of each texel in it (px), its sharpness and residual light."""
    found = unwrap(photo, model, parameters, texels)
    vertices = model.vertices(parameters)
    symmetric = (fitted + fitted.flip(1)) / 2
    expected = texels.read(symmetric)
    delit = delight(found.colour, found.weight, texels.on(vertices), texels.normals(vertices), parameters, expected)
    rho = (delit.albedo + DARK).clamp(min=DARK / 2).log() - (expected + DARK).log()
    weight = without_left_light(texels.image(rho), symmetric, texels.image(delit.weight[:, None])[..., 0])
    weight = softened(weight)
    colour = texels.image(delit.albedo.clamp(0.0, 1.0)) * (weight > 0)[..., None]
    return (
        SeenMap(colour, weight),
        texels.image(found.footprint[:, None])[..., 0],
        (found.sharpness, delit.residual_light),
    )


def softened(weight: Float[Tensor, "S S"]) -> Float[Tensor, "S S"]:
    """A weight that nowhere exceeds the given one and rises slowly from all that was not seen, single texels too."""
    sigma = SOFT * len(weight)
    reach = round(sigma)
    hidden = F.max_pool2d(1 - weight[None], 2 * reach + 1, 2, reach)  # of half the side: it is smooth
    smooth = F.interpolate(gaussian_blur(1 - hidden, sigma / 2)[None], weight.shape, mode="bilinear")
    return torch.minimum(weight, smooth[0, 0])


def _finest_first(maps: Sequence[SeenMap], footprints: Sequence[Float[Tensor, "S S"]]) -> list[SeenMap]:
    """The maps, with less weight the fewer pixels their photo has at a texel beside the one that has most: it was taken
    from farther away, or shows the place at a flatter angle. The largest weight at a texel stays as it is."""
    weights, pixels = torch.stack([one.weight for one in maps]), torch.stack(list(footprints))
    most = (weights.sign() * pixels).amax(0).clamp(min=1e-6)
    preferred = weights * (pixels / most).clamp(max=1.0) ** SHARPER
    preferred = preferred * (weights.amax(0) / preferred.amax(0).clamp(min=1e-6))
    return [SeenMap(one.colour, weight) for one, weight in zip(maps, preferred, strict=True)]


def _resized(albedo: Float[Tensor, "h w 3"], side: int) -> Float[Tensor, "side side 3"]:
    mode = "bilinear" if side > len(albedo) else "area"
    return F.interpolate(albedo.permute(2, 0, 1)[None], (side, side), mode=mode)[0].permute(1, 2, 0).contiguous()
