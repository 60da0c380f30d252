"""Training of a progressive GAN in UV space (Sec. 3.1; Karras et al., ICLR 2018), one step a turn of a generator.

    training = GanTraining(TrainingMaps.of(path, 512, face), GanConfig())
    for step in training.steps():
        print(step.resolution, step.images, step.losses)

A training may stop after any step. `save` and `resume` continue it, bit for bit on the same CPU. The generator begins
with what the corpus gives in closed form: the distribution of its codes, its principal components, the detail that
codes place, and the bounds of tints.

Up to WINDOW² the networks see whole maps. Above that they see one window a step, at a random place, because fine levels
only add what is local; so a step costs the same at every resolution. gan_loss.py has the losses, and
docs/texture_gan.md a diagram of all parts.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import torch
from torch import Tensor, nn

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.outputs import replaced
from ganfit_nb.files.reading import reading
from ganfit_nb.networks.progressive_generator import COARSE, Generator, ToRGB
from ganfit_nb.training.texture_gan.discriminator import Discriminator
from ganfit_nb.training.texture_gan.gan_batch import GanBatch
from ganfit_nb.training.texture_gan.gan_config import GanConfig
from ganfit_nb.training.texture_gan.gan_loss import PENALTY_INTERVAL, discriminator_loss, generator_loss
from ganfit_nb.training.texture_gan.mixed_precision import mixed_precision
from ganfit_nb.training.texture_gan.training_maps import TrainingMaps

GENERATOR_LR_MULTIPLIER = 0.4  # at the discriminator's own rate the generator outruns it
DETAIL_LR_MULTIPLIER = 4.0  # of learnt detail maps: a texel is only updated by the windows that hold it


@dataclass(frozen=True)
class GanStep:
    """One step: the stage it trained, the images shown so far, its losses before weighting, and its seconds."""

    resolution: int
    alpha: float
    images: int
    losses: dict[str, float]
    seconds: float


class GanTraining:
    """The networks, optimisers and random numbers of one training, which are what `save` writes.

    generator_ema  the exponential moving average of the generator: the result
    images         images shown so far
    updates        steps so far
    """

    def __init__(self, maps: TrainingMaps, config: GanConfig, state: dict[str, Any] | None = None) -> None:
        self.maps, self.config = maps, config
        self.random = torch.Generator().manual_seed(config.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.generator = Generator(config.resolution, config.latent, config.width).to(config.device)
            self.discriminator = Discriminator(config.resolution, config.width // 2).to(config.device)
        if state is None:
            self._begin_in_closed_form()
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.generator_optimizer, self.discriminator_optimizer = self._optimizers()
        self.images, self.updates = 0, 0
        if state is not None:
            self._restore(state)

    @torch.no_grad()
    def _begin_in_closed_form(self) -> None:
        maps, generator = self.maps, self.generator
        generator.mean.copy_(maps.coarse_mean)
        generator.marginals.load_state_dict(maps.marginals.state_dict())
        generator.luma.copy_(maps.luma)
        generator.chroma.copy_(maps.chroma)
        generator.tints.copy_(maps.tints)
        # Features begin by seeing a code as strongly as the linear image shows it, or rather as the root of that: the
        # last codes would vanish otherwise.
        strength = generator.luma.square().mean(dim=(1, 2, 3)).sqrt()
        generator.dense.weight.mul_((strength / strength.square().mean().sqrt()).sqrt())
        for side, level in generator.pictures.items():
            level = cast(ToRGB, level)
            level.detail.copy_(maps.detail(int(side), level.detail.shape[2]))
            if int(side) > COARSE:
                placed, gates = maps.placed_detail(int(side), level.placed.shape[2])
                level.placed.copy_(placed)
                level.placed_gates.copy_(gates)

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        """The generator's and the discriminator's."""
        named = list(self.generator.named_parameters())
        details = [value for name, value in named if name.endswith(".detail")]
        others = [value for name, value in named if not name.endswith(".detail")]
        generator = [
            {"params": others, "lr_multiplier": GENERATOR_LR_MULTIPLIER},
            {"params": details, "lr_multiplier": DETAIL_LR_MULTIPLIER},
        ]
        discriminator = [{"params": list(self.discriminator.parameters()), "lr_multiplier": 1.0}]
        return [
            torch.optim.Adam(groups, lr=self.config.lr, betas=(0.0, 0.99), fused=True)
            for groups in (generator, discriminator)
        ]

    def _restore(self, state: dict[str, Any]) -> None:
        networks: list[nn.Module] = [self.generator, self.discriminator, self.generator_ema]
        for network, stored in zip(networks, state["networks"], strict=True):
            network.load_state_dict(stored)
        optimizers = self.generator_optimizer, self.discriminator_optimizer
        for optimizer, stored in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        self.random.set_state(state["random"])
        self.images, self.updates = state["images"], state["updates"]

    def steps(self) -> Iterator[GanStep]:
        """Trains to the end of the schedule."""
        while (stage := self.config.stage_at(self.images)) is not None:
            clock = perf_counter()
            losses = self._step(*stage)
            yield GanStep(*stage, self.images, losses, perf_counter() - clock)

    def _step(self, resolution: int, alpha: float) -> dict[str, float]:
        """One update of the discriminator and one of the generator, on the same images."""
        config, lr = self.config, self.config.lr_at(self.images)
        batch = GanBatch.draw(self.maps, config, resolution, alpha, self.random)
        with mixed_precision(config.device):
            fake = self.generator(batch.z, resolution, alpha, batch.window)

        penalise = self.updates % PENALTY_INTERVAL == 0
        loss, terms = discriminator_loss(self.discriminator, batch, fake.detach(), config, penalise)
        _update(self.discriminator_optimizer, loss, lr)

        self.discriminator.requires_grad_(False)
        loss, generator_terms = generator_loss(self.discriminator, batch, fake, config)
        _update(self.generator_optimizer, loss, lr)
        self.discriminator.requires_grad_(True)

        self._update_ema()
        self.images, self.updates = self.images + config.batch_size, self.updates + 1
        return {name: float(value.detach()) for name, value in (terms | generator_terms).items()}

    @torch.no_grad()
    def _update_ema(self) -> None:
        decay = self.config.ema_decay**self.config.batch_size
        for average, value in zip(self.generator_ema.parameters(), self.generator.parameters(), strict=True):
            average.lerp_(value, 1.0 - decay)

    def save(self, path: Path) -> None:
        """Writes everything that `resume` needs. A write that is interrupted leaves the last checkpoint whole."""
        state: dict[str, Any] = {
            "config": asdict(self.config),
            "networks": [n.state_dict() for n in (self.generator, self.discriminator, self.generator_ema)],
            "optimizers": [o.state_dict() for o in (self.generator_optimizer, self.discriminator_optimizer)],
            "random": self.random.get_state(),
            "images": self.images,
            "updates": self.updates,
        }
        with replaced(path) as work, work.open("wb") as file:  # to a file, which says when the disk is full
            torch.save(state, file)

    @classmethod
    def resume(cls, path: Path, maps: TrainingMaps, config: GanConfig) -> GanTraining:
        """The training that `save` wrote. Corpus and settings must be the same; the device may be another.

        GanfitError when the file is something else, or of a training with other settings.
        """
        with reading(path, "is no checkpoint of a GAN training; move it away to begin anew."):
            state = torch.load(path, map_location="cpu", weights_only=True)
            begun = GanConfig(**(state["config"] | {"device": config.device}))
            if begun != config:
                raise GanfitError(
                    f"{path} is of a training with other settings; repeat those, or choose another folder."
                )
            return cls(maps, config, state)


def _update(optimizer: torch.optim.Optimizer, loss: Tensor, lr: float) -> None:
    """One step of Adam at a learning rate, times the multiplier of each group."""
    for group in optimizer.param_groups:
        group["lr"] = group["lr_multiplier"] * lr
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
