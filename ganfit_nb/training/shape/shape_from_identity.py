"""Learns what the recogniser's embedding tells about the shape (`ganfit_nb.face.shape_prior`):

    python -m ganfit_nb.training.shape.shape_from_identity PHOTOS [--people N]

PHOTOS is a folder with a few hundred portraits of real people, one each. Only the covariance of their embeddings is
kept, and nothing about a single person. The program draws 1,800 people, which takes forty minutes on one core, and
writes the asset.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel, shipped_texture
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.face.shape_prior import ASSET, ShapeFromIdentity
from ganfit_nb.files.tensor_files import save_tensors
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.photos.photo import Photo
from ganfit_nb.photos.photo_files import photos_in
from ganfit_nb.training.shape.drawn_people import SEEN, VIEWS, DrawnPerson, drawn_people

PEOPLE = 1_800
HELD_OUT = 0.1
# In some directions portraits vary less than drawn people. That does not make the prior more certain there. So this
# many times the noise of drawn people is added to the domain's covariance. Landmarks of other portraits and of
# snapshots agree best with the prior for values from 1 to 3.
GAP = 2.0
METADATA = {
    "title": "Regression of dlib's face descriptor on the shipped shape model's identity coefficients",
    "origin": "renderings of people drawn from the shipped models; covariance of portraits in the public domain",
    "licence": "CC0-1.0",
    "command": "python -m ganfit_nb.training.shape.shape_from_identity PHOTOS",
}


def regressed(people: Sequence[DrawnPerson], real: Float[Tensor, "r D"]) -> ShapeFromIdentity:
    """The regression of embeddings on the shapes of drawn people, and the covariances of what it does not explain.

    The slopes have the prior N(0, s²). s² is the mean square of the fitted slopes, less the share of noise in it. The
    domain's covariance says how embeddings of real photos differ from those of drawn people.
    """
    identity = torch.stack([person.identity for person in people]).double()
    embeddings = torch.stack([person.embeddings for person in people]).double()  # (N, VIEWS, D)
    count, free = len(people), len(people) - identity.shape[1]
    mean = embeddings.mean((0, 1))
    both = embeddings - mean
    average, inside = both.mean(1), both - both.mean(1, keepdim=True)
    photos = torch.einsum("nvd,nve->de", inside, inside) / (count * (VIEWS - 1))
    gram, slopes = identity.T @ identity, torch.linalg.lstsq(identity, average).solution  # (S, D)
    noise = (average - identity @ slopes).square().sum(0) / free  # the variance in each number of the embedding
    spread = (slopes.square().mean(0) - noise / count).clamp(min=1e-3 * noise / count)
    ridges = noise / spread
    fits = [
        torch.linalg.solve(gram + ridge * torch.eye(len(gram)), identity.T @ average[:, k])
        for k, ridge in enumerate(ridges)
    ]
    by_shape = torch.stack(fits)  # (D, S)
    left = average - identity @ by_shape.T
    persons = _positive(left.T @ left / count - photos / VIEWS)
    off = real.double() - mean
    moments = {
        "mean": mean,
        "by_shape": by_shape,
        "persons": persons,
        "photos": photos,
        "domain": _positive(off.T @ off / len(off) - by_shape @ by_shape.T - persons - photos)
        + GAP * (persons + photos),
    }
    return ShapeFromIdentity(**{name: value.float() for name, value in moments.items()})


def _positive(matrix: Tensor) -> Tensor:
    """The nearest symmetric matrix without negative eigenvalues.

    It is needed because a difference of two covariances may have negative ones.
    """
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    return vectors * values.clamp(min=0) @ vectors.mT


def embeddings_of(folder: Path, network: IdentityNetwork) -> Float[Tensor, "r D"]:
    """The embedding of every photo in which a face is found, cropped as in a fit."""
    found = []
    for path in tqdm(list(photos_in(folder)), "photos"):
        try:
            photo = Photo.open(path).at(SEEN)
        except GanfitError:
            continue
        found.append(network.features(network.crop(photo.image.permute(2, 0, 1), photo.landmarks)[None]).embedding[0])
    return torch.stack(found)


def print_errors(found: ShapeFromIdentity, people: Sequence[DrawnPerson], model: FaceModel) -> None:
    """Prints the error of the expected shapes, for people who took no part in the regression.

    The mean square deviation is 1 when Σ describes this error correctly.
    """
    basis = model.morphable.identity_basis[:, model.morphable.face_region].flatten(1)

    def rms(coefficients: Float[Tensor, "N S"]) -> float:
        return float((coefficients @ basis).view(len(people), -1, 3).square().sum(2).mean().sqrt())

    truth = torch.stack([person.identity for person in people])
    print(f"{len(people)} people not learnt from, rms over the face: mean face {rms(truth):.2f} mm")
    among_drawn = replace(found, domain=torch.zeros_like(found.domain))
    for count in range(1, VIEWS + 1):
        priors = [among_drawn.prior(person.embeddings[:count]) for person in people]
        off = truth - torch.stack([prior.mean for prior in priors])
        squares = torch.stack([prior.deviations(x).square().mean() for prior, x in zip(priors, truth, strict=True)])
        print(f"{count} photos: {rms(off):.2f} mm, mean square deviation {float(squares.mean()):.2f}")


@torch.no_grad()
def main() -> None:
    """Draws people, computes the regression, reports its error and writes the asset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--people", type=int, default=PEOPLE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = FaceModel(MorphableModel.default(), shipped_texture("gan"))
    network = IdentityNetwork.default()
    real = embeddings_of(options.photos, network)
    people = list(tqdm(drawn_people(model, network, range(options.people)), "people", total=options.people))
    held_out = people[: round(HELD_OUT * len(people))]
    found = regressed(people[len(held_out) :], real)
    print_errors(found, held_out, model)
    save_tensors(Path(__file__).parents[2] / "assets" / ASSET, asdict(found), METADATA)


if __name__ == "__main__":
    main()
