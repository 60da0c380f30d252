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
from ganfit_nb.face.texture import map_side, require_length
from ganfit_nb.files.reading import reading
from ganfit_nb.files.tensor_files import MAXIMUM_BYTES, require_finite, save_tensors
from ganfit_nb.networks.progressive_generator import Generator


class GanTexture(nn.Module):
    """Albedo maps G(p_t), p_t ~ N(0, I) in R^512.

    resolution  side of the maps, one of the generator's outputs. A smaller one costs less and shows the same face.
    """

    def __init__(self, generator: Generator, resolution: int | None = None) -> None:
        super().__init__()
        self.generator = generator.requires_grad_(False)
        self.dim = generator.latent
        self.resolution = resolution or generator.resolution
        if str(self.resolution) not in generator.pictures:
            raise GanfitError(f"The generator draws maps of {', '.join(generator.pictures)} texels, not {resolution}.")

    def forward(self, p_t: Float[Tensor, "*n t"]) -> Float[Tensor, "*n R R 3"]:
        """The albedo map, display values in [0, 1]. GanfitError when p_t has another length than `dim`."""
        require_length(p_t, self.dim)
        maps = with_mouth(self.generator(p_t.reshape(-1, self.dim), self.resolution).clamp(0.0, 1.0))
        return maps.view(*p_t.shape[:-1], *maps.shape[1:])

    def modes(self, p_t: Float[Tensor, " t"]) -> Float[Tensor, "t h w 3"]:
        """How the generator's first picture, which is linear in the codes, changes with each latent at p_t."""
        codes = torch.diag(self.generator.marginals.slopes(p_t[None])[0])
        return self.generator.linear(codes) - self.generator.mean

    def at(self, size: int) -> GanTexture:
        """The same generator read at its smallest output of at least `size` texels a side, or its largest; the weights
        are shared."""
        return GanTexture(self.generator, map_side(size, self.generator.resolution))

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
