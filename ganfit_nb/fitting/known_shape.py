"""What the photos of a person tell of the shape before the fit begins (`shape_prior`)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.shape_prior import ShapePrior
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.photos.photo import Photo


@torch.no_grad()
def known_shape(photos: Sequence[Photo], model: FaceModel, network: IdentityNetwork, informed: bool) -> ShapePrior:
    """The informed prior of the person in the photos; N(0, I) when it is not wanted, or when it is not known how this
    shape model and this recogniser belong together."""
    if not informed or model.shape_from_identity is None or network is not IdentityNetwork.default():
        return ShapePrior.standard(len(model.morphable.identity_basis))
    crops = [network.crop(photo.image.permute(2, 0, 1), photo.landmarks) for photo in photos]
    return model.shape_from_identity.prior(network.features(torch.stack(crops)).embedding)
