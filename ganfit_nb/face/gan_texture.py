"""The texture prior of Sec. 3.1: the generator of a progressive GAN replaces the linear model of texture (Eq. 5)."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from ganfit_nb.assets import shipped
from ganfit_nb.errors import GanfitError
from ganfit_nb.face.mouth import with_mouth
from ganfit_nb.files.reading import reading
from ganfit_nb.files.tensor_files import MAXIMUM_BYTES, require_finite, save_tensors
from ganfit_nb.networks.progressive_generator import Generator


class GanTexture(nn.Module):
    """Albedo maps G(p_t), p_t ~ N(0, I) in R^512.

    resolution  side of the maps, one of the generator's outputs. A smaller one costs less and shows the same face, so a
                fit can begin coarse.
    """

    def __init__(self, generator: Generator, resolution: int | None = None) -> None:
        super().__init__()
        self.generator = generator.requires_grad_(False)
        self.dim = generator.latent
        self.resolution = resolution or generator.resolution
        if str(self.resolution) not in generator.pictures:
            raise GanfitError(f"The generator draws maps of {', '.join(generator.pictures)} texels, not {resolution}.")

    def forward(self, p_t: Float[Tensor, " t"]) -> Float[Tensor, "R R 3"]:
        """The albedo map, in display values within [0, 1]. GanfitError when the length of p_t is not `dim`."""
        if p_t.shape != (self.dim,):
            raise GanfitError(f"This texture model takes {self.dim} coefficients, not {tuple(p_t.shape)}.")
        return with_mouth(self.generator(p_t[None], self.resolution)[0].clamp(0.0, 1.0))

    def at(self, resolution: int) -> GanTexture:
        """The same texture at another of the generator's resolutions. Both share the weights."""
        return GanTexture(self.generator, resolution)

    def resolution_for(self, size: int) -> int:
        """The smallest resolution of at least `size` texels, or the largest that there is."""
        return next((side for side in map(int, self.generator.pictures) if side >= size), self.generator.resolution)

    def save(self, path: Path | str) -> None:
        """Writes the generator in half precision."""
        state = self.generator.state_dict()
        tensors = {name: value.half() for name, value in state.items()}
        sizes = ("resolution", "latent", "width", "details", "placed")
        save_tensors(Path(path), tensors, {name: str(getattr(self.generator, name)) for name in sizes})

    @classmethod
    def load(cls, path: Path | str) -> GanTexture:
        """Reads what `save` or `ganfit train texture` wrote; GanfitError when it is something else."""
        path = Path(path)
        with reading(path, "holds no texture GAN; train one with: ganfit train texture", MAXIMUM_BYTES):
            with safe_open(path, "pt") as file:
                sizes = {name: int(value) for name, value in (file.metadata() or {}).items()}
            with torch.device("meta"):  # takes no memory: the file may claim any sizes
                generator = Generator(**sizes)
            stored = {name: value.float() for name, value in load_file(path).items()}
            for value in stored.values():
                require_finite(value)
            generator.load_state_dict(stored, assign=True)
        return cls(generator)

    @classmethod
    def default(cls) -> GanTexture:
        """The model that ships with the package."""
        with shipped("texture_gan.safetensors") as path:
            return cls.load(path)
