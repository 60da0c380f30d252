"""The models of a face: shape and expression (Eq. 2), texture (Eq. 1 and 5), and both together."""

from ganfit_nb.face.face_model import FaceModel, shipped_texture
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.face.latents import interpolate, invert, sefa_directions, truncate
from ganfit_nb.face.morphable import MorphableModel, variance_shares
from ganfit_nb.face.texture import PcaTexture, TextureModel
from ganfit_nb.face.texture_errors import texture_errors

__all__ = [
    "FaceModel",
    "GanTexture",
    "MorphableModel",
    "PcaTexture",
    "TextureModel",
    "interpolate",
    "invert",
    "sefa_directions",
    "shipped_texture",
    "texture_errors",
    "truncate",
    "variance_shares",
]
