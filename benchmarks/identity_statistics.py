"""Distances between photos of the same and of different people, in the identity network's own terms.

    python benchmarks/identity_statistics.py FOLDER

FOLDER holds photos as `people.py` reads them, two of one person at least.
Prints the cosine distance of the embeddings (Eq. 8), the Euclidean one (0.6 is dlib's threshold), and for every
activation Eq. 9's ‖F^j(a) - F^j(b)‖ / (H·W·C): mean over the pairs, and their range. `ganfit_nb/networks/identity.py`
holds constants that came from here.
"""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

import torch
from people import people_in
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.fitting.losses import content_distance, cosine_distance
from ganfit_nb.networks.identity import CONTENT_STAGES, IdentityNetwork, aligned_crop
from ganfit_nb.photos.photo import Photo

Features = tuple[Tensor, tuple[Tensor, ...]]  # embedding, activations after the stem and every stage


def portraits(folder: Path) -> list[tuple[str, Photo]]:
    """(person, photo) for every usable file."""
    found = []
    for person, path in [(person, path) for person, paths in people_in(folder).items() for path in paths]:
        try:
            found.append((person, Photo.open(path)))
        except GanfitError as error:
            print(error, file=sys.stderr)
    return found


def distances(a: Features, b: Features) -> list[float]:
    """Cosine, Euclidean, Eq. 9's term of every activation, and Eq. 9's sum over those the content loss uses."""
    content = [float(content_distance([x], [y])) for x, y in zip(a[1], b[1], strict=True)]
    cosine, euclidean = cosine_distance(a[0][0], b[0][0]), (a[0] - b[0]).norm()
    return [float(cosine), float(euclidean), *content, sum(content[stage] for stage in CONTENT_STAGES)]


def main() -> None:
    """Measure and print."""
    network = IdentityNetwork.default().network
    features = [
        (person, network(aligned_crop(photo.image.permute(2, 0, 1), photo.landmarks)[None]))
        for person, photo in portraits(Path(sys.argv[1]))
    ]
    groups: dict[bool, list[list[float]]] = {True: [], False: []}
    for (person, a), (other, b) in combinations(features, 2):
        groups[person == other].append(distances(a, b))
    same, different = torch.tensor(groups[True]), torch.tensor(groups[False])
    layers = [f"activation {j} {tuple(x.shape[1:])}" for j, x in enumerate(features[0][1][1])]
    print(f"{len(features)} photos; {len(same)} pairs of the same person, {len(different)} of different people")
    for k, name in enumerate(["cosine (Eq. 8)", "Euclidean", *layers, "content (Eq. 9)"]):
        s, d = same[:, k], different[:, k]
        print(
            f"{name:28} same {s.mean():.3e} [{s.min():.2e}, {s.max():.2e}]"
            f"   different {d.mean():.3e} [{d.min():.2e}, {d.max():.2e}]   ratio {d.mean() / s.mean():.2f}"
        )


if __name__ == "__main__":
    main()
