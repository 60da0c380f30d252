"""How photos are fitted, in plain values: what a command line says, and what another process can be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ganfit_nb.arcface import load_arcface
from ganfit_nb.detectors import load_detector
from ganfit_nb.face_model import FaceModel, shipped_texture
from ganfit_nb.fitting import FitConfig, FitStep, fit
from ganfit_nb.gan_texture import GanTexture
from ganfit_nb.identity import IdentityNetwork
from ganfit_nb.landmarks import LandmarkDetector
from ganfit_nb.losses import LossWeights
from ganfit_nb.photo import Photo
from ganfit_nb.result import Result


@dataclass(frozen=True)
class Recipe:
    """The options of `ganfit fit`. Models and networks are named here and loaded once in every process that fits.

    model      file of a morphable model; None is the shipped one
    texture    "gan" or "pca"; None is the model's own, or the GAN where it has none
    identity   dlib, arcface, an insightface pack or its .onnx
    landmarks  mediapipe, fan, dlib, or a file of 68 points
    without    terms of Eq. 12 that weigh nothing
    """

    config: FitConfig = field(default_factory=FitConfig)
    model: Path | None = None
    texture: Literal["gan", "pca"] | None = None
    identity: str = "dlib"
    landmarks: str = "mediapipe"
    without: tuple[str, ...] = ()

    def load(self) -> None:
        """Loads everything; GanfitError when a part is missing or bad, so that it is told before any photo is read."""
        self.detector(), self.face_model(), self.network()

    def detector(self) -> LandmarkDetector:
        """What finds faces."""
        return _detector(self.landmarks)

    def face_model(self) -> FaceModel:
        """What is fitted."""
        return _face_model(self.model, self.texture)

    def network(self) -> IdentityNetwork:
        """What recognises people."""
        return network_named(self.identity)

    def weights(self) -> LossWeights:
        """The λ of Eq. 12."""
        return replace(LossWeights(), **dict.fromkeys(self.without, 0.0))

    def photo(self, path: Path) -> Photo:
        """Reads a photo and finds its face; GanfitError when it is no usable picture or shows none."""
        return Photo.open(path, self.detector())

    def steps(self, photo: Photo) -> Iterator[FitStep]:
        """The fit."""
        return fit(photo, self.face_model(), self.config, self.weights(), network=self.network())

    def result(self, photo: Photo, steps: list[FitStep], interrupted: bool = False) -> Result:
        """What `steps` have reached, with the names of the parts it was reached with."""
        model = self.face_model()
        own = "gan" if isinstance(model.texture, GanTexture) else "the model's own"
        parts = {**self._parts(), "texture": self.texture or own}
        return Result(photo, model, self.config, steps, interrupted, parts)

    def differs_from(self, record: dict[str, Any]) -> str:
        """The first setting in which a fit.json differs from this recipe, in words; empty where they agree."""
        config, found = self.config, record | record["parts"]
        wanted = {"steps": config.steps, "seed": config.seed, "device": config.device} | self._parts()
        if self.texture or self.model is None:
            wanted["texture"] = self.texture or "gan"
        for name, value in wanted.items():
            if found.get(name) != value:
                return f"{name} {found.get(name)}, not {value}"
        return "" if record["weights"] == self.weights().active() else "other loss weights"

    def _parts(self) -> dict[str, str]:
        return {"model": str(self.model or "shipped"), "identity": self.identity, "landmarks": self.landmarks}


@lru_cache(maxsize=2)
def _detector(name: str) -> LandmarkDetector:
    return load_detector(name)


@lru_cache(maxsize=2)
def _face_model(file: Path | None, texture: Literal["gan", "pca"] | None) -> FaceModel:
    model = FaceModel.load(file) if file else FaceModel.default()
    return replace(model, texture=shipped_texture(texture)) if texture else model


@lru_cache(maxsize=2)
def network_named(name: str) -> IdentityNetwork:
    """dlib, arcface, an insightface pack or its .onnx."""
    return IdentityNetwork.default() if name == "dlib" else load_arcface(name)
