"""What the independent judge says of photos of the same and of different people:

    python benchmarks/judge_statistics.py FOLDER [FOLDER …]

The folders hold photos as `people.py` reads them. Prints cosine similarities: mean, standard deviation and range over
all pairs of different people, over all pairs of one person where a person has several photos, and of photos with
damaged copies of themselves. `ganfit_nb/networks/face_reidentification.py` holds constants that came from here.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from people import people_in
from PIL import Image, ImageEnhance

from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.judge import Judge

DAMAGED = 60  # photos whose damaged copies are judged


def as_jpeg(picture: Image.Image) -> Image.Image:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=20)
    return Image.open(data)


DAMAGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "at half its size": lambda p: p.resize((p.width // 2, p.height // 2), Image.Resampling.LANCZOS),
    "as a JPEG of quality 20": as_jpeg,
    "turned by 15 degrees": lambda p: p.rotate(15, Image.Resampling.BICUBIC),
    "mirrored": lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "half as bright": lambda p: ImageEnhance.Brightness(p).enhance(0.5),
    "black and white": lambda p: p.convert("L").convert("RGB"),
}


def opened(path: Path) -> Photo | None:
    try:
        return Photo.open(path)
    except GanfitError as error:
        print(error, file=sys.stderr)
        return None


def told(kind: str, similarities: Sequence[float]) -> str:
    if not similarities:
        return f"{kind:34s} none"
    found = np.array(similarities)
    low, high = np.quantile(found, [0.01, 0.99])
    return (
        f"{kind:34s} mean {found.mean():6.3f}  std {found.std():.3f}  range {found.min():6.3f} to {found.max():.3f}"
        f"  1 % below {low:6.3f}  1 % above {high:.3f}  of {len(found)}"
    )


def of_damaged(judge: Judge, photo: Photo, embedding: np.ndarray) -> dict[str, float]:
    """The similarity of a photo with each damaged copy in which a face is found."""
    picture = Image.fromarray(photo.original.numpy())
    try:
        copies = {name: Photo.from_image(damage(picture)) for name, damage in DAMAGES.items()}
    except GanfitError as error:
        print(f"{photo.source}: {error}", file=sys.stderr)
        return {}
    seen = {name: judge.embedding(copy) for name, copy in copies.items()}
    return {name: float(found.numpy() @ embedding) for name, found in seen.items() if found is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    folders, judge = parser.parse_args().folders, Judge.independent()
    embeddings: list[tuple[tuple[Path, str], np.ndarray]] = []  # of every photo, with its person
    damaged: dict[str, list[float]] = {name: [] for name in DAMAGES}
    for folder in folders:
        for person, path in [(person, path) for person, paths in people_in(folder).items() for path in paths]:
            photo = opened(path)
            found = photo and judge.embedding(photo)
            if photo is None or found is None:
                continue
            embeddings.append(((folder, person), found.numpy()))
            if len(embeddings) <= DAMAGED:
                for name, value in of_damaged(judge, photo, found.numpy()).items():
                    damaged[name].append(value)
    pairs: dict[bool, list[float]] = {True: [], False: []}
    for (person, a), (other, b) in combinations(embeddings, 2):
        pairs[person == other].append(float(a @ b))
    print(f"{len(embeddings)} photos of {len({person for person, _ in embeddings})} people: cosine similarity")
    print(told("different people", pairs[False]))
    print(told("one person, two photos", pairs[True]))
    for name, values in damaged.items():
        print(told(f"a photo and itself {name}", values))


if __name__ == "__main__":
    main()
