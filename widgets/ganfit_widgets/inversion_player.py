"""Plays the search for the latent of a skin (inversion, Sec. 3.1), by one or more texture models side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets
import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.latents import InversionStep, invert
from ganfit_nb.face.texture import TextureModel
from ganfit_widgets.curve_chart import CurveChart
from ganfit_widgets.picture_view import PictureView
from ganfit_widgets.step_player import StepPlayer

SIDE = 160  # px, width of a map


class InversionPlayer(StepPlayer):
    """Plays min |G(p_t) − I_uv| over p_t for every model given. To use it alone:

        player = InversionPlayer(uv_map, {"GAN": gan, "linear": pca}, count=100)
        display(player)
        await player.finish()  # or press Play

    A step is a mapping from the models' names to their InversionSteps. All models must draw maps of the target's size.
    """

    def __init__(self, target: Float[Tensor, "H W 3"], textures: Mapping[str, TextureModel], count: int = 100) -> None:
        self.target, self.textures, self.count = target, dict(textures), count
        self._target = PictureView("the map to find", size=SIDE)
        self._target.show(target)
        self._answers = {name: PictureView(name, size=SIDE) for name in textures}
        self._chart = CurveChart("mean error of a texel")
        views = widgets.HBox([self._target, *self._answers.values(), self._chart]).add_class("ganfit-views")
        super().__init__(self._new_steps, (views,))
        self.reset()

    def _new_steps(self) -> Iterator[dict[str, InversionStep]]:
        inversions = [invert(self.target, texture, self.count) for texture in self.textures.values()]
        for steps in zip(*inversions, strict=True):
            yield dict(zip(self.textures, steps, strict=True))

    def describe(self, steps: list[Any]) -> str:
        """The step and the errors."""
        errors = ", ".join(f"{name} {step.error:.4f}" for name, step in steps[-1].items())
        return f"{self.counted(steps)} · mean error {errors}"

    def remaining(self, steps: list[Any]) -> int:
        """The number of steps up to the last of `count`."""
        return self.count + 1 - len(steps)

    def prepare(self, steps: list[Any]) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
        """The maps of the last step, and the errors of all."""
        with torch.no_grad():
            maps = {name: texture(steps[-1][name].p_t) for name, texture in self.textures.items()}
        return maps, [{name: found.error for name, found in step.items()} for step in steps]

    def draw(self, content: tuple[dict[str, Tensor], list[dict[str, float]]]) -> None:
        """Updates the maps and the curves."""
        maps, errors = content
        for name, image in maps.items():
            self._answers[name].show(image)
        self._chart.show(errors)

    def reset(self) -> None:
        """Shows the average skin, from which every inversion starts."""
        with torch.no_grad():
            maps = {name: texture(torch.zeros(texture.dim)) for name, texture in self.textures.items()}
        self.draw((maps, []))
