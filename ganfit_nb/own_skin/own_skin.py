"""The skin of a person as photos show it: unwrapped, without its light, merged and completed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.own_skin.complete import SeenMap, complete, merged
from ganfit_nb.own_skin.delight import delight
from ganfit_nb.blur import gaussian_blur
from ganfit_nb.own_skin.left_light import without_left_light
from ganfit_nb.own_skin.texels import Texels
from ganfit_nb.own_skin.unwrap import unwrap
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo

SIDE = 1024  # texels


@dataclass(frozen=True)
class OwnSkin:
    """The photo's own skin as a UV map, display values in [0, 1].

    albedo          completed: by mirror image and fitted texture where no photo shows it
    colour          what the photos show, without light; 0 where weight is 0
    weight          how far it is known, in [0, 1]
    seen            share of the face's area that a photo shows
    sharpness       of the sharpest photo within the face (`focus.sharpness`): about 1 in focus, near 0 if enlarged
    residual_light  of the photos' mean, in logarithms: light that one lamp does not explain (`delight.Delit`)
    """

    albedo: Float[Tensor, "S S 3"]
    colour: Float[Tensor, "S S 3"]
    weight: Float[Tensor, "S S"]
    seen: float
    sharpness: float
    residual_light: float


@torch.no_grad()
def own_skin(
    photos: Sequence[Photo], model: FaceModel, parameters: Sequence[FaceParameters], side: int = SIDE
) -> OwnSkin:
    mesh = model.morphable
    texels = Texels.of(mesh, side)
    fitted = _enlarged(model.texture(parameters[0].texture), side)
    expected = texels.read((fitted + fitted.flip(1)) / 2)
    maps, notes = [], []
    for photo, p in zip(photos, parameters, strict=True):
        found = unwrap(photo, model, p, texels)
        vertices = model.vertices(p)
        delit = delight(found.colour, found.weight, texels.on(vertices), texels.normals(vertices), p, expected)
        w = texels.image(delit.weight[:, None])[..., 0]
        rho = texels.image((delit.albedo.clamp(min=0)+0.02).log()-(expected+0.02).log())
        w = without_left_light(rho, texels.image(expected), w)
        w = torch.minimum(w, gaussian_blur(w[None], side/300)[0])
        maps.append(SeenMap(texels.image(delit.albedo), w))
        notes.append((found.sharpness, delit.residual_light))
    mirrors = torch.ones(side, side)
    albedo = complete(maps, fitted, texels.covered, mirrors)
    joined = merged(maps)
    face = texels.image(texels.on(mesh.face_region[:, None].float()))[..., 0]
    sharp, light = zip(*notes, strict=True)
    return OwnSkin(albedo, joined.colour, joined.weight, float((face*joined.weight).sum()/face.sum()), max(sharp), sum(light)/len(light))

def _enlarged(albedo, side):
    return F.interpolate(albedo.permute(2, 0, 1)[None], (side, side), mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
