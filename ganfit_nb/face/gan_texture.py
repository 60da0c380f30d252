"""The texture prior of Sec. 3.1: the generator of a progressive GAN (Eq. 5), in place of a linear model."""

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

    resolution  side of the maps in texels, one of those that the generator has. Smaller maps show the same face and
                cost less.
    """

    def __init__(self, generator: Generator, resolution: int | None = None) -> None:
        super().__init__()
        self.generator = generator.requires_grad_(False)
        self.dim = generator.latent
        self.resolution = resolution or generator.resolution
        if str(self.resolution) not in generator.pictures:
            raise GanfitError(f"The generator draws maps of {', '.join(generator.pictures)} texels, not {resolution}.")

    def forward(self, p_t: Float[Tensor, "*n t"]) -> Float[Tensor, "*n R R 3"]:
        """The albedo map, display values in [0, 1]. Raises GanfitError when p_t has another length than `dim`."""
        require_length(p_t, self.dim)
        maps = with_mouth(self.generator(p_t.reshape(-1, self.dim), self.resolution).clamp(0.0, 1.0))
        return maps.view(*p_t.shape[:-1], *maps.shape[1:])

    def modes(self, p_t: Float[Tensor, " t"]) -> Float[Tensor, "t h w 3"]:
        """The derivative of the generator's linear image with respect to each latent, at p_t."""
        codes = torch.diag(self.generator.marginals.slopes(p_t[None])[0])
        return self.generator.linear(codes) - self.generator.mean

    def at(self, size: int) -> GanTexture:
        """The same generator with maps of at least `size` texels a side, or its largest. The weights are shared."""
        return GanTexture(self.generator, map_side(size, self.generator.resolution))

    def save(self, path: Path | str) -> None:
        """Writes the generator in half precision."""
        state = self.generator.state_dict()
        tensors = {name: value.half() for name, value in state.items()}
        sizes = ("resolution", "latent", "width", "details", "placed")
        save_tensors(Path(path), tensors, {name: str(getattr(self.generator, name)) for name in sizes})

    @classmethod
    def load(cls, path: Path | str) -> GanTexture:
        """Reads what `save` or `ganfit train texture` wrote. Raises GanfitError when the file is something else."""
        path = Path(path)
        with reading(path, "holds no texture GAN; train one with: ganfit train texture", MAXIMUM_BYTES):
            with safe_open(path, "pt") as file:
                sizes = {name: int(value) for name, value in (file.metadata() or {}).items()}
            with torch.device("meta"):  # needs no memory, because the file may claim any sizes
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
