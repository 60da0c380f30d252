"""Are people like themselves? Fits every person of a folder and asks a judge that no fit has seen:

    python benchmarks/likeness.py FOLDER --out DIR [--steps 100] [--seeds 1] [--texture gan pca] [--other CHECKOUT]

FOLDER holds a folder for each person, or files called ann.jpg, ann_2.jpg, bob.jpg. The first photo of each person is
fitted; the others are never fitted, and the rendering is compared with them, too. The judge of this checkout sees every
picture as any other: it finds the face anew. The second views of Eq. 7 are random, so few people need several seeds.

DIR/likeness.csv holds the figures of every fit. DIR/<person>.png shows the photo and, for each version, the rendering
of the first seed and the same without light. With --other every person is also fitted by another checkout.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from people import people_in
from PIL import Image

from ganfit_nb import FaceModel, FitConfig, GanfitError, Photo, fit
from ganfit_nb.photos.pixels import rgb_bytes
from ganfit_nb.results.export import contact_sheet, to_pil
from ganfit_nb.results.result import Result

HERE = Path(__file__).resolve().parents[1]
SIZE = 512
FIGURES = "figures.json"
Embedding = np.ndarray | None  # (D,) of length 1; None where no face was found


@dataclass(frozen=True)
class Row:
    """A fit. Similarities are cosines of the rendering with the fitted photo, and with the person's other photos."""

    person: str
    version: str
    seed: int
    similarity: float
    second_photo: float
    landmark_error: float
    pixel: float
    seconds: float


MEASURES = [field.name for field in fields(Row)][3:]


def fit_all(options: argparse.Namespace) -> None:
    """Fits everybody and leaves pictures and figures in a folder. Runs in the checkout that is measured."""
    work, model, found = options.fit_into, FaceModel.default(options.texture[0]), {}
    for person, paths in people_in(options.folder).items():
        try:
            photo = Photo.open(paths[0])
        except GanfitError as error:
            print(error, file=sys.stderr)
            continue
        to_pil(photo.at(SIZE).image).save(work / f"{file_name(person)}.png")
        found[person] = [fit_once(photo, model, options.steps, seed, work, person) for seed in range(options.seeds)]
        (work / FIGURES).write_text(json.dumps(found))
        print(person, file=sys.stderr, flush=True)


def fit_once(photo: Photo, model: FaceModel, steps: int, seed: int, work: Path, person: str) -> dict[str, float]:
    config = FitConfig(steps=steps, seed=seed)
    result = Result(photo, model, config, list(fit(photo, model, config)))
    rendering = model.render(result.final.parameters, SIZE)
    for kind, image in {"fit": rendering.image, "unlit": rendering.unlit}.items():
        to_pil(image.clamp(0, 1)).save(work / f"{file_name(person)}-{kind}-{seed}.png")
    return {
        "landmark_error": result.landmark_error(),
        "pixel": result.final.losses["pixel"],
        "seconds": result.final.seconds,
    }


def file_name(person: str) -> str:
    return person.replace("/", "-")


@dataclass(frozen=True)
class Version:
    """What one checkout made with one texture: the folder of the pictures, and the figures of every seed by person."""

    name: str
    work: Path
    figures: dict[str, list[dict[str, float]]]

    def picture(self, person: str, kind: str = "", seed: int = 0) -> Image.Image:
        """The fitted photo, or what `fit_once` has left: "fit", or "unlit"."""
        return Image.open(self.work / (file_name(person) + (f"-{kind}-{seed}" if kind else "") + ".png"))


def versions(options: argparse.Namespace, scratch: Path) -> Iterator[Version]:
    """Fits with every texture, and by the other checkout first."""
    checkouts = {"other": options.other, "this": HERE} if options.other else {"this": HERE}
    for checkout, path in checkouts.items():
        for texture in options.texture:
            name = f"{checkout} {texture}"
            work = scratch / name
            work.mkdir()
            command = [sys.executable, __file__, str(options.folder), "--texture", texture, "--fit-into", str(work)]
            command += ["--steps", str(options.steps), "--seeds", str(options.seeds), "--out", str(options.out)]
            subprocess.run(command, env=os.environ | {"PYTHONPATH": str(path)}, check=True)
            yield Version(name, work, json.loads((work / FIGURES).read_text()))


@dataclass(frozen=True)
class Seen:
    """The judge's embeddings, by person: of the fitted photo, the other photos, and each version's renderings."""

    photos: dict[str, Embedding]
    others: dict[str, list[Embedding]]
    renderings: dict[str, dict[str, list[Embedding]]]


def judged(folder: Path, people: Sequence[str], made: Sequence[Version]) -> Seen:
    from ganfit_nb.results.judge import Judge  # an older checkout, which only fits, has none

    look, paths = Judge.independent().embedding, people_in(folder)

    def of(picture: Any) -> Embedding:
        try:
            photo = Photo.open(picture) if isinstance(picture, Path) else Photo.from_image(picture)
        except GanfitError:
            return None
        found = look(photo)
        return None if found is None else found.numpy()

    return Seen(
        {person: of(paths[person][0]) for person in people},
        {person: [of(path) for path in paths[person][1:]] for person in people},
        {
            version.name: {
                person: [of(version.picture(person, "fit", seed)) for seed in range(len(version.figures[person]))]
                for person in people
            }
            for version in made
        },
    )


def similarity(a: Embedding, b: Embedding) -> float:
    """Cosine; NaN where no face was found."""
    return float("nan") if a is None or b is None else float(a @ b)


def mean(values: Iterable[float]) -> float:
    """Without what is NaN; NaN where nothing is left."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def rows_of(version: Version, people: Sequence[str], seen: Seen) -> list[Row]:
    return [
        Row(
            person,
            version.name,
            seed,
            similarity(seen.photos[person], rendering),
            mean(similarity(other, rendering) for other in seen.others[person]),
            **version.figures[person][seed],
        )
        for person in people
        for seed, rendering in enumerate(seen.renderings[version.name][person])
    ]


def by_person(rows: Sequence[Row], measure: str) -> np.ndarray:
    """(people,) the mean over the seeds."""
    people = dict.fromkeys(row.person for row in rows)
    return np.array([mean(getattr(row, measure) for row in rows if row.person == person) for person in people])


def print_rows(rows: Sequence[Row]) -> None:
    print(f"{'person':20s} {'version':10s} seed" + "".join(f"{name:>16s}" for name in MEASURES))
    for row in rows:
        figures = "".join(f"{getattr(row, name):16.4f}" for name in MEASURES)
        print(f"{row.person:20s} {row.version:10s} {row.seed:4d}{figures}")


def print_means(rows: Mapping[str, list[Row]]) -> None:
    """The mean of every version, and by how much each differs from the first, with the standard error over people."""
    first = next(iter(rows.values()))
    for version, own in rows.items():
        print(f"{'mean':20s} {version:10s}     " + "".join(f"{mean(by_person(own, name)):16.4f}" for name in MEASURES))
        if own is first:
            continue
        for name in MEASURES:
            change = by_person(own, name) - by_person(first, name)
            change = change[~np.isnan(change)]
            if len(change) > 1:
                error = np.std(change, ddof=1) / np.sqrt(len(change))
                print(f"    {name}: {version} - {first[0].version} = {change.mean():+.4f} ± {error:.4f}")


def print_others(seen: Seen) -> None:
    """What the similarities are to be compared with."""
    second = [similarity(seen.photos[person], other) for person, of in seen.others.items() for other in of]
    if second:
        print(f"photo and second photo of one person: {mean(second):.3f} ({len(second)} pairs)")
    firsts = {version: {person: of[0] for person, of in own.items()} for version, own in seen.renderings.items()}
    for kind, of in {"photos": seen.photos, **{f"renderings, {name}": own for name, own in firsts.items()}}.items():
        different = [similarity(a, b) for a, b in combinations(of.values(), 2)]
        if different:
            print(f"different people, {kind}: {mean(different):.3f} ({len(different)} pairs)")
    for version, own in firsts.items():
        right = sum(person == most_alike(seen.photos, rendering) for person, rendering in own.items())
        print(f"{version}: {right} of {len(own)} renderings are most like the photo of their own person")


def most_alike(photos: Mapping[str, Embedding], rendering: Embedding) -> str | None:
    """The person whose photo is most like a rendering; None where no face was found."""
    known = {person: value for person, photo in photos.items() if not np.isnan(value := similarity(photo, rendering))}
    return max(known, key=known.__getitem__, default=None)


def write(out: Path, rows: Iterable[Row], people: Sequence[str], made: Sequence[Version]) -> None:
    with (out / "likeness.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Row)])
        table.writeheader()
        table.writerows(asdict(row) for row in rows)
    for person in people:
        panels = {"photo": made[-1].picture(person)}
        for version in made:
            panels[version.name] = version.picture(person, "fit")
            panels[f"{version.name}, no light"] = version.picture(person, "unlit")
        sheet = contact_sheet({name: rgb_bytes(picture).float() / 255 for name, picture in panels.items()})
        sheet.save(out / f"{file_name(person)}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=1, help="fits of every person")
    parser.add_argument("--texture", nargs="+", choices=["gan", "pca"], default=["gan"])
    parser.add_argument("--other", type=Path, help="another checkout")
    parser.add_argument("--fit-into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit_into:
        fit_all(options)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        made = list(versions(options, Path(scratch)))
        people = [person for person in made[0].figures if all(person in version.figures for version in made)]
        seen = judged(options.folder, people, made)
        rows = {version.name: rows_of(version, people, seen) for version in made}
        everything = [row for own in rows.values() for row in own]
        print_rows(everything)
        print_means(rows)
        print_others(seen)
        write(options.out, everything, people, made)


if __name__ == "__main__":
    main()
