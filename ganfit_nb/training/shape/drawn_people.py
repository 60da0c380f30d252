"""Renders photographs of random people, to ask a recogniser about faces whose true shape is known.

A person is a shape and a skin from the models' priors. Each photograph has its own expression, view, light, exposure,
background, blur and JPEG compression.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ganfit_nb.blur import gaussian_blur
from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.second_view import second_view
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer.camera import orbit_camera

SIZE, SEEN = 384, 256  # px, side of the photograph, and of the picture that the recogniser sees in a fit
VIEWS = 2
YAW_SD, PITCH_SD, LIMIT = math.radians(16), math.radians(7), 2.2  # rad; the limit is in standard deviations
NEAREST, FARTHEST = 400.0, 1800.0  # mm, of the camera
MAXIMUM_BLUR = 2.0  # px, standard deviation
EXPOSURE_SD = 0.25  # standard deviation of its logarithm
QUALITY = 35.0, 95.0  # lowest and highest, of the JPEG file


@dataclass(frozen=True)
class DrawnPerson:
    """A random person: p_s, and the recogniser's embedding of each photograph."""

    identity: Float[Tensor, " S"]
    embeddings: Float[Tensor, "n D"]


def drawn_people(model: FaceModel, network: IdentityNetwork, numbers: range) -> Iterator[DrawnPerson]:
    """Yields a random person for each number k. The person depends on k alone.

    People whose face is not found in every photograph are left out.
    """
    seen = model.seen_at(SEEN)
    for number in numbers:
        generator = torch.Generator().manual_seed(1_000_000 + number)
        person = seen.mean_parameters()
        person = person.replace(
            identity=torch.randn(person.identity.shape, generator=generator),
            texture=torch.randn(person.texture.shape, generator=generator),
        )
        try:
            photos = [Photo.from_image(photograph(seen, person, generator)).at(SEEN) for _ in range(VIEWS)]
        except GanfitError:
            continue
        crops = torch.stack([network.crop(photo.image.permute(2, 0, 1), photo.landmarks) for photo in photos])
        yield DrawnPerson(person.identity, network.features(crops).embedding)


def photograph(model: FaceModel, person: FaceParameters, generator: torch.Generator) -> Float[Tensor, "H W 3"]:
    """A photograph of a person, with random expression, view, light and quality."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    def normal() -> float:
        return float(torch.randn((), generator=generator).clamp(-LIMIT, LIMIT))

    view = second_view(person, int(torch.randint(2**31, (), generator=generator)), 0)
    distance = math.exp(uniform(math.log(NEAREST), math.log(FARTHEST)))
    view = view.replace(camera=orbit_camera(YAW_SD * normal(), PITCH_SD * normal(), distance))
    rendering = model.render(view, SIZE)
    image = torch.where((rendering.fragments.pix_to_face < 0)[..., None], _background(generator), rendering.image)
    image = image * math.exp(EXPOSURE_SD * normal())
    image = gaussian_blur(image.permute(2, 0, 1), uniform(0.0, MAXIMUM_BLUR)).permute(1, 2, 0)
    return _compressed(image.clamp(0, 1), round(uniform(*QUALITY)))


def _background(generator: torch.Generator) -> Float[Tensor, "H W 3"]:
    """A background of smooth patches of colour."""
    patches = torch.rand(1, 3, 4, 4, generator=generator)
    return F.interpolate(patches, (SIZE, SIZE), mode="bicubic", align_corners=False)[0].permute(1, 2, 0)


def _compressed(image: Float[Tensor, "H W 3"], quality: int) -> Float[Tensor, "H W 3"]:
    file = io.BytesIO()
    Image.fromarray((255 * image).round().to(torch.uint8).numpy()).save(file, "JPEG", quality=quality)
    decoded = torch.frombuffer(bytearray(Image.open(file).tobytes()), dtype=torch.uint8)
    return decoded.view(image.shape).float() / 255
