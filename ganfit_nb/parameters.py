"""The parameters of a reconstruction, about 700 numbers: p = [p_s, p_e, p_t, p_c, p_l] (Sec. 2.2 and 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.files.reading import reading
from ganfit_nb.files.tensor_files import MAXIMUM_BYTES, load_tensors, save_tensors

SHAPES = {"identity": "float *", "expression": "float *", "texture": "float *", "camera": "float 7", "light": "float 9"}
CAMERA_NUMBERS = ("eye x", "eye y", "eye z", "target x", "target y", "target z", "focal length")
LIGHT_NUMBERS = (
    *("position x", "position y", "position z", "light red", "light green", "light blue"),
    *("ambient red", "ambient green", "ambient blue"),
)


@dataclass(frozen=True)
class FaceParameters:
    """The parameters of one face in one picture. With a leading dimension, those of several people and views
    (`ganfit_nb.fitting.views`).

    identity    p_s, in standard deviations of the identity modes (Eq. 2)
    expression  p_e, in standard deviations of the expression modes (Eq. 2)
    texture     p_t, in standard deviations (Eq. 1) or z ~ N(0, I) of the generator (Eq. 5)
    camera      p_c = eye (mm), target (mm), focal length in half image sides
    light       p_l = light position (mm), light colour, ambient colour (1 = full)
    """

    identity: Float[Tensor, "*p s"]
    expression: Float[Tensor, "*v e"]
    texture: Float[Tensor, "*p t"]
    camera: Float[Tensor, "*v 7"]
    light: Float[Tensor, "*v 9"]

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """(group name, vector) in the paper's order."""
        return ((f.name, getattr(self, f.name)) for f in fields(self))

    def map(self, function: Callable[[Tensor], Tensor]) -> FaceParameters:
        """The same record with `function` applied to every group."""
        return FaceParameters(**{name: function(value) for name, value in self.items()})

    def detached(self) -> FaceParameters:
        """Copies that share no memory with this record and carry no graph."""
        return self.map(lambda value: value.detach().clone())

    def replace(self, **groups: Tensor) -> FaceParameters:
        """The same record with other vectors for some groups."""
        return replace(self, **groups)

    def to(self, device: torch.device | str) -> FaceParameters:
        """The same numbers on another device."""
        return self.map(lambda value: value.to(device))

    def save(self, path: Path | str) -> None:
        """Writes the five vectors as safetensors."""
        save_tensors(Path(path), dict(self.items()))

    @classmethod
    def load(cls, path: Path | str) -> FaceParameters:
        """Reads what `save` wrote. Raises GanfitError for another file, or for numbers that are not finite."""
        path = Path(path)
        with reading(path, "holds no face parameters; give a file written by FaceParameters.save.", MAXIMUM_BYTES):
            return cls(**{name: value.float() for name, value in load_tensors(path, SHAPES).items()})


def meaning(group: str, index: int) -> tuple[str, str]:
    """The name of one number of the parameters in words, and its unit, such as ("eye z", "mm")."""
    if group == "camera":
        return CAMERA_NUMBERS[index], "half image side" if index == 6 else "mm"
    if group == "light":
        return LIGHT_NUMBERS[index], "mm" if index < 3 else "full light"
    return f"{group} coefficient {index + 1}", "standard deviation"
