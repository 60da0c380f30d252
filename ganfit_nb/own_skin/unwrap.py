"""A fitted photo unwrapped: the colour that it shows at every texel of the UV map, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.fitting.skin_seen import SkinSeen, explained
from ganfit_nb.own_skin.focus import sharpness
from ganfit_nb.own_skin.prefiltered import prefiltered
from ganfit_nb.own_skin.texels import Texels, triangle_areas
from ganfit_nb.own_skin.visibility import seen, smoothstep
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer.camera import CROP_SIDE, project
from ganfit_nb.warp import scale_of, transform_points

COMPARED = 256  # px of the picture in which photo and fit are compared
HAIRY = 0.5, 0.95  # probability of no hair: below the first nothing is read, for single strands show less
CHIN, NECK = 8, 12.0  # iBUG point, and mm below it where the neck begins
CLIPPED = 0.95, 0.995  # of the brightest channel: from the second on its true value is unknown
BLURRED = 0.15, 0.4  # of the face's median sharpness: below the first the photo is out of focus
MAP_SIDE = 350.0  # mm of the face that a side of the UV map stands for, in its middle
LEAST_FOCUS = 64  # px, side of the smallest picture whose sharpness is measured
LUMINANCE = 0.299, 0.587, 0.114


@dataclass(frozen=True)
class Unwrapped:
    """What a photo shows at the N texels of `Texels`.

    colour     RGB in [0, 1], with the photo's light
    weight     how far it is the colour of the surface there, in [0, 1]
    footprint  side of a texel in the photo, px
    sharpness  of the photo within the face (`focus.sharpness`)
    """

    colour: Float[Tensor, "N 3"]
    weight: Float[Tensor, " N"]
    footprint: Float[Tensor, " N"]
    sharpness: float


def region(mesh: MorphableModel) -> Float[Tensor, " V"]:
    """Where the mesh lies as the head does: the face, without the neck, which collars and the chin's shadow cover."""
    chin = mesh.landmarks.on(mesh.mean)[CHIN, 1]
    return mesh.pixel_region * smoothstep(mesh.mean[:, 1], float(chin) - NECK, float(chin))


@torch.no_grad()
def unwrap(photo: Photo, model: FaceModel, parameters: FaceParameters, texels: Texels) -> Unwrapped:
    """Reads the photo's own pixels, not those of its aligned copy, at every texel that it shows."""
    mesh, vertices = model.morphable, model.vertices(parameters)
    points, normals = texels.on(vertices), texels.normals(vertices)
    weight = seen(vertices, mesh.faces, points, normals, parameters.camera)
    weight = weight * texels.on(region(mesh)[:, None])[:, 0]
    aligned = project(points, parameters.camera, photo.size)[:, :2]
    place = aligned / photo.size
    weight = weight * _at(_uncovered(photo, model, parameters), place)
    focus, typical = _focus(photo, place, weight, texels.side)
    colour, footprint = torch.zeros(len(texels), 3), _footprint(photo, vertices, parameters, texels)
    shown = weight > 0
    colour[shown] = prefiltered(photo.original, transform_points(photo.to_original, aligned[shown]), footprint[shown])
    weight = weight * focus * (1 - smoothstep(colour.amax(1), *CLIPPED))
    return Unwrapped(colour, weight, footprint, typical)


def _uncovered(photo: Photo, model: FaceModel, parameters: FaceParameters) -> Float[Tensor, "S S"]:
    """How far each pixel of the aligned photo shows the face, and no hair, glasses or hand before it."""
    photo = photo.at(COMPARED)
    rendering = model.seen_at(COMPARED).render(parameters, COMPARED)
    seen = SkinSeen.of(photo)
    bare = smoothstep(1 - photo.hair, *HAIRY)
    return photo.inside * bare * explained(photo.image - rendering.image, seen.visible(model, rendering))


def _at(picture: Float[Tensor, "S S"], place: Float[Tensor, "N 2"]) -> Float[Tensor, " N"]:
    """The picture at places in shares of its side, 0 outside."""
    grid = (2 * place - 1)[None, None]
    return F.grid_sample(picture[None, None], grid, align_corners=False)[0, 0, 0]


def _footprint(photo: Photo, vertices: Tensor, parameters: FaceParameters, texels: Texels) -> Float[Tensor, " N"]:
    """The side of a square as large as a texel's image in the photo, px."""
    screen = project(vertices, parameters.camera, photo.size)[:, :2]
    in_photo = triangle_areas(transform_points(photo.to_original, screen), texels.faces)
    return (in_photo / texels.uv_area.clamp(min=1e-9)).sqrt()[texels.face]


def _focus(
    photo: Photo, place: Float[Tensor, "N 2"], weight: Float[Tensor, " N"], side: int
) -> tuple[Float[Tensor, " N"], float]:
    """How far each texel is in focus, in [0, 1], and the sharpness of the face.

    Detail is compared at the size of the photo's pixels, or of the texels where these are larger.
    """
    size = max(LEAST_FOCUS, round(min(scale_of(photo.to_original) * photo.size, side * CROP_SIDE / MAP_SIDE)))
    picture = photo.at(size).image
    found = _at(sharpness(picture @ picture.new_tensor(LUMINANCE)), place)
    face = found[weight > 0.5]
    typical = float(face.median()) if len(face) else 0.0
    return smoothstep(found / max(typical, 1e-6), *BLURRED), typical
