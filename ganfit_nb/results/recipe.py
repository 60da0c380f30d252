"""How photos are fitted, in plain values: what a command line says, and what another process can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ganfit_nb.assets.registry import shipped_sha256
from ganfit_nb.face.face_model import FaceModel, shipped_texture
from ganfit_nb.face.gan_texture import GanTexture
from ganfit_nb.files.fingerprint import fingerprint
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.stages import align_set, fit, fit_people, fit_set
from ganfit_nb.fitting.steps import FitStep, SetStep
from ganfit_nb.model_files.load import load_face_model
from ganfit_nb.networks.arcface import PACKS, load_arcface, packs_folder
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.photos.detectors import load_detector
from ganfit_nb.photos.faces_found import Choice
from ganfit_nb.photos.landmarks import LandmarkDetector
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.result import Result


@dataclass(frozen=True)
class Recipe:
    """The options of `ganfit fit`. Models and networks are named here and loaded once in every process that fits.

    model      file of a morphable model; None is the shipped one
    texture    "gan" or "pca"; None is the model's own, or the GAN where it has none
    identity   dlib, arcface, an insightface pack or its .onnx
    landmarks  mediapipe, fan, dlib, or a file of 68 points
    without    terms of Eq. 12 that weigh nothing
    face       which face of a photo: its number, the largest is 1, or a point in it (px); None is the largest
    """

    config: FitConfig = field(default_factory=FitConfig)
    model: Path | None = None
    texture: Literal["gan", "pca"] | None = None
    identity: str = "dlib"
    landmarks: str = "mediapipe"
    without: tuple[str, ...] = ()
    face: Choice | None = None

    def absolute(self) -> Recipe:
        """The same recipe for a process in another folder."""
        return replace(
            self,
            model=self.model and self.model.absolute(),
            identity=_absolute(self.identity),
            landmarks=_absolute(self.landmarks),
        )

    def load(self) -> None:
        """Loads everything; GanfitError when a part is missing or bad, so that it is told before any photo is read."""
        self.detector(), self.face_model(), self.network()

    def detector(self) -> LandmarkDetector:
        """What finds faces."""
        return _detector(self.landmarks, content_of_landmarks(self.landmarks))

    def face_model(self) -> FaceModel:
        """What is fitted."""
        return _face_model(self.model, self.texture, content_of_model(self.model))

    def network(self) -> IdentityNetwork:
        """What recognises people."""
        return network_named(self.identity)

    def weights(self) -> LossWeights:
        """The λ of Eq. 12."""
        return replace(LossWeights(), **dict.fromkeys(self.without, 0.0))

    def photo(self, path: Path) -> Photo:
        """Reads a photo and finds its face; GanfitError when it is no usable picture or shows none."""
        return Photo.open(path, self.detector(), face=self.face)

    def steps(self, photo: Photo) -> Iterator[FitStep]:
        """The fit."""
        return fit(photo, self.face_model(), self.config, self.weights(), network=self.network())

    def aligned(self, photo: Photo) -> list[FitStep]:
        """The steps of the stages before the joint one, on the CPU."""
        options = self.face_model(), self.config, self.weights()
        return [step.steps[0] for step in align_set([photo], *options, network=self.network())]

    def together(self, photos: Sequence[Photo], starts: Sequence[FitStep]) -> Iterator[list[FitStep]]:
        """The joint stage of photos of different people in one program, from where each was aligned to."""
        people, begun = [[photo] for photo in photos], [SetStep((start,)) for start in starts]
        options = self.face_model(), self.config, self.weights()
        for turn in fit_people(people, *options, network=self.network(), starts=begun):
            yield [step.steps[0] for step in turn]

    def set_steps(self, photos: Sequence[Photo]) -> Iterator[SetStep]:
        """The fit of several photos of one person."""
        return fit_set(photos, self.face_model(), self.config, self.weights(), network=self.network())

    def result(self, photo: Photo, steps: list[FitStep], interrupted: bool = False) -> Result:
        """What `steps` have reached, with the names and the contents of the parts it was reached with."""
        parts, contents = self.parts(), self.contents()
        return Result(photo, self.face_model(), self.config, steps, interrupted, parts, contents, self.face)

    def parts(self) -> dict[str, str]:
        """The names of the parts."""
        return {
            "model": self.model.name if self.model else "shipped",
            "identity": self.identity,
            "landmarks": self.landmarks,
            "texture": self.texture_name(),
        }

    def texture_name(self) -> str:
        """Which texture is fitted; a model from a file is loaded to see whether it has one."""
        own = self.model is not None and not isinstance(self.face_model().texture, GanTexture)
        return self.texture or ("the model's own" if own else "gan")

    def contents(self) -> dict[str, str]:
        """What the parts hold, wherever their files lie and whatever they are called."""
        texture = self.texture_name()
        return {
            "model": content_of_model(self.model),
            "identity": content_of_identity(self.identity),
            "landmarks": content_of_landmarks(self.landmarks),
            "texture": shipped_sha256(TEXTURE_FILES[texture]) if texture in TEXTURE_FILES else texture,
        }

    def settings(self) -> dict[str, Any]:
        """All that a result depends on but the photos, to be stored beside it: `differs_from` reads it."""
        return {
            **{name: getattr(self.config, name) for name in CONFIG},
            "face": list(self.face) if isinstance(self.face, tuple) else self.face,
            "parts": self.parts(),
            "contents": self.contents(),
            "weights": self.weights().active(),
        }

    def differs_from(self, record: Mapping[str, Any]) -> str:
        """The first setting in which a fit.json, or a record of `settings`, differs from this recipe, in words; empty
        where they agree. Of the parts the content counts, not the name."""
        ours = self.settings()
        names, found = (x if isinstance(x := record.get(key), dict) else {} for key in ("parts", "contents"))
        for name in (*CONFIG, "face"):
            if record.get(name) != ours[name]:
                return f"{name} {record.get(name)}, not {ours[name]}"
        for name, value in ours["contents"].items():
            if found.get(name) != value:
                return f"{name} {names.get(name)} with another content"
        return "" if record.get("weights") == ours["weights"] else "other loss weights"


# What of FitConfig results depend on.
CONFIG = ("steps", "size", "seed", "device", "informed_prior", "consistency", "occlusion")
TEXTURE_FILES = {"gan": "texture_gan.safetensors", "pca": "texture_pca.safetensors"}


def is_file_name(name: str) -> bool:
    """Whether a network or a detector is named by its file or folder."""
    known = ("dlib", "arcface", *PACKS, "mediapipe", "fan")
    return name not in known and (Path(name).suffix != "" or Path(name).is_dir())


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if is_file_name(name) else name


def content_of_model(file: Path | None) -> str:
    """What is in a morphable model's file, or in ours."""
    return fingerprint(file) if file else shipped_sha256("morphable_model.safetensors")


def content_of_identity(name: str) -> str:
    """What is in a recogniser's file or pack, or in ours."""
    if name == "dlib":
        return shipped_sha256("dlib_resnet.safetensors")
    packs = PACKS if name == "arcface" else (name,)
    places = [Path(name)] if is_file_name(name) else [packs_folder() / pack for pack in packs]
    return next((fingerprint(place) for place in places if place.exists()), name)


def content_of_landmarks(name: str) -> str:
    """What is in a file of landmarks; a detector's weights are known by its name."""
    return fingerprint(Path(name)) if is_file_name(name) else name


# The content is part of the key, so that a file that was corrected meanwhile is read anew.
@lru_cache(maxsize=2)
def _detector(name: str, content: str) -> LandmarkDetector:
    return load_detector(name)


@lru_cache(maxsize=2)
def _face_model(file: Path | None, texture: Literal["gan", "pca"] | None, content: str) -> FaceModel:
    model = _model(file, content)
    return replace(model, texture=shipped_texture(texture)) if texture else model


@lru_cache(maxsize=1)  # whatever its texture, the shape is read once
def _model(file: Path | None, content: str) -> FaceModel:
    return load_face_model(file) if file else FaceModel.default()


@lru_cache(maxsize=2)
def _network(name: str, content: str) -> IdentityNetwork:
    return IdentityNetwork.default() if name == "dlib" else load_arcface(name)


def network_named(name: str) -> IdentityNetwork:
    """dlib, arcface, an insightface pack or its .onnx."""
    return _network(name, content_of_identity(name))
