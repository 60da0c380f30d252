"""The UV corpus: any number of 512×512 albedo maps of people who do not exist.

A map depends on its seed and index alone. The command

    ganfit train corpus --skins DIR --count 10000 --out corpus

writes corpus/maps.npy (N, H, W, 3) uint8, to be opened by numpy.load(..., mmap_mode="r"), corpus/sheet.png, and
corpus/corpus.json, which describes the corpus. Without --skins the bases are procedural.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from tqdm import tqdm

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.files.outputs import claim_folder, complete_directory, has_keys, write_json
from ganfit_nb.training.skin.canvas import Canvas, Face, Person
from ganfit_nb.training.skin.map_file import MAPS, write_maps
from ganfit_nb.training.skin.paint_eyes import paint_eyes, paint_mouth
from ganfit_nb.training.skin.paint_hair import paint_beard, paint_brows, paint_lashes, paint_scalp
from ganfit_nb.training.skin.paint_skin import (
    paint_eye_surround,
    paint_lips,
    paint_make_up,
    paint_mottling,
    paint_nostrils,
    paint_redness,
    paint_spots,
    paint_wrinkles,
)
from ganfit_nb.training.skin.painting import smooth_noise
from ganfit_nb.training.skin.procedural_skin import procedural_base
from ganfit_nb.training.skin.skin_tone import display
from ganfit_nb.training.skin.uv_layout import UvLayout
from ganfit_nb.training.skin.uv_resample import skin_bases

# In the order of their layers, from the blood below to the make-up on top.
PAINTERS = (
    paint_mottling,
    paint_redness,
    paint_eye_surround,
    paint_spots,
    paint_wrinkles,
    paint_nostrils,
    paint_lips,
    paint_make_up,
    paint_scalp,
    paint_beard,
    paint_lashes,
    paint_brows,
    paint_mouth,
    paint_eyes,
)
PROCEDURAL_BASES = 6
SHOWN = 32  # maps on the contact sheet
RECORD = "corpus.json"


@dataclass(frozen=True)
class UvCorpus:
    """An endless sequence of maps: `corpus[i]` is the i-th person of a seed.

    bases      (N, H, H, 3), densities of bare skins relative to their tone
    darkness   (N,), from 0 to 1, of the skin of each base; lips and lids depend on it, so a base fits similar tones
    """

    face: Face
    bases: Float[ndarray, "N H H 3"]
    darkness: Float[ndarray, " N"]
    seed: int = 0

    @classmethod
    def build(cls, size: int = 512, skins: Path | None = None, seed: int = 0) -> UvCorpus:
        """A corpus from a folder of MakeHuman skins, or without one from procedural skin."""
        model = MorphableModel.default()
        face = Face(UvLayout.of(model, size))
        if skins is not None:
            return cls(face, *skin_bases(skins, face, UvLayout.of(model, 2 * size)), seed)
        bases = [procedural_base(np.random.default_rng([1, k]), face) for k in range(PROCEDURAL_BASES)]
        return cls(face, np.stack(bases).astype(np.float16), np.linspace(0.0, 1.0, len(bases)), seed)

    def person(self, index: int) -> Person:
        """The person on map `index`: skin tone, age, masculinity and colour of hair."""
        return Person.draw(np.random.default_rng([self.seed, index, 0]))

    def __getitem__(self, index: int) -> UInt8[ndarray, "H H 3"]:
        """Map `index`. It depends on seed and index alone, not on the maps that were drawn before."""
        rng = np.random.default_rng([self.seed, index, 1])
        person = self.person(index)
        canvas = Canvas(self.face, self._blend(person, rng) + person.tone.density)
        for painter in PAINTERS:
            painter(canvas, person, rng)
        return (255.0 * display(canvas.density) + 0.5).astype(np.uint8)

    def _blend(self, person: Person, rng: np.random.Generator) -> Float[ndarray, "H H 3"]:
        """Two or three bases of about this tone, some mirrored, blended by smooth random masks of random contrast."""
        likely = np.exp(-(((self.darkness - person.tone.darkness) / 0.3) ** 2)) + 1e-3
        picks = rng.choice(len(self.bases), int(rng.integers(2, 4)), replace=False, p=likely / likely.sum())
        weights = np.exp(2.5 * np.stack([smooth_noise(rng, self.face.layout.size, 4) for _ in picks]))
        weights /= weights.sum(axis=0)
        layers = [self.bases[k][:, ::-1] if rng.random() < 0.5 else self.bases[k] for k in picks]
        blend = sum(w[..., None] * layer.astype(np.float32) for w, layer in zip(weights, layers, strict=True))
        return np.asarray(rng.uniform(0.75, 1.1) * blend, np.float32)


def image_grid(maps: Sequence[UInt8[ndarray, "H H 3"]], columns: int, side: int) -> Image.Image:
    """The maps side by side, each reduced to `side` pixels."""
    rows = -(-len(maps) // columns)
    sheet = Image.new("RGB", (columns * side, rows * side))
    for k, image in enumerate(maps):
        small = Image.fromarray(np.asarray(image)).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (k % columns * side, k // columns * side))
    return sheet


def write_corpus(corpus: UvCorpus, count: int, out: Path, first: int = 0) -> Path:
    """Writes maps `first` to `first + count - 1` as out/maps.npy with a contact sheet. Returns the path of the maps.

    The folder appears when it is complete. Raises GanfitError when it holds something else than a corpus.
    """
    if count < 1:
        raise GanfitError(f"A corpus of {count} maps is none; ask for at least one.")
    side = corpus.face.layout.size
    shown: list[ndarray] = []
    with complete_directory(out, is_corpus) as work:

        def drawn() -> Iterator[UInt8[ndarray, "1 H H 3"]]:
            for k in tqdm(range(first, first + count), desc="UV maps"):
                image = corpus[k]
                if len(shown) < SHOWN:
                    shown.append(image)
                yield image[None]

        write_maps(work / MAPS, count, side, drawn())
        image_grid(shown, 8, 256).save(work / "sheet.png")
        write_json(work / RECORD, {"maps": count, "first": first, "side": side, "seed": corpus.seed})
    return out / MAPS


def is_corpus(folder: Path) -> bool:
    """Whether a folder holds a corpus of ours, possibly with smaller maps made from it, and nothing else."""
    names = {path.name for path in folder.iterdir() if not path.match("maps_*.npy")}
    return names <= {MAPS, "sheet.png", RECORD} and has_keys("maps", "first", "side", "seed")(folder / RECORD)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("--skins", type=Path, metavar="DIR", help="folder of MakeHuman skins (default: none)")
    parser.add_argument("--count", type=int, default=10000, help="number of maps")
    parser.add_argument("--first", type=int, default=0, help="index of the first map")
    parser.add_argument("--size", type=int, default=512, help="texels a side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")


def main(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    claim_folder(arguments.out, is_corpus)
    corpus = UvCorpus.build(arguments.size, arguments.skins, arguments.seed)
    print(write_corpus(corpus, arguments.count, arguments.out, arguments.first))
