"""Training of a progressive GAN in UV space (Sec. 3.1; Karras et al., ICLR 2018) as a generator of steps.

    training = GanTraining(TrainingMaps.of(path, 512, weight), GanConfig())
    for step in training.steps():
        print(step.resolution, step.shown, step.losses)

It can stop after any step; `save` and `resume` continue bit for bit on the same CPU. The generator begins with what
is known in closed form: the corpus' principal components, and the detail that they place (placed_detail.py).

The generator lowers λ_adv L_adv + λ_rec L_rec + λ_det L_det + λ_place L_place. L_adv is the relativistic loss with
zero-centred gradient penalties on both sides (Huang et al., "The GAN is dead; long live the GAN!", 2024), which needs
none of the balancing that a Wasserstein critic needs; L_rec is the distance of G(code) to the map the code belongs to
(training_maps.py). Up to WINDOW² whole maps are shown, above it windows of that side, one place a step: a fine level
only adds what is local, and a window costs the same at every resolution. There L_rec compares pictures at half and
quarter size: what cannot be placed ℓ1 wipes out. Only within the eyes, whose outlines are the same in everybody, it
counts in full. Of finer detail L_place compares where it lies, and L_det how much there is (detail_amounts.py). Without
the one a dark brow is grey with coloured edges; without the other samples look right, but the detail is anywhere, and
an identity network draws bumps on a bare chin with it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.outputs import replaced
from ganfit_nb.files.reading import reading
from ganfit_nb.networks.equalized import enlarge, halve
from ganfit_nb.networks.progressive_generator import COARSE, WINDOW, Generator, Picture, Window
from ganfit_nb.training.texture_gan.detail_amounts import ExpectedDetail, detail_loss, placement_loss
from ganfit_nb.training.texture_gan.discriminator import Discriminator
from ganfit_nb.training.texture_gan.training_maps import TrainingMaps

PENALTY_EVERY = 8  # steps between gradient penalties, each counted as many times
PLACED = 2 * COARSE  # side of the finest picture whose detail the codes can place
PACE = 0.4  # of the generator's rate beside the discriminator's, which it would outrun
DETAIL_PACE = 10.0 * PACE  # of the detail maps, whose texels are only moved by the windows that hold them


@dataclass(frozen=True)
class GanConfig:
    """What may be chosen before a training.

    shown        maps shown at each resolution, mirror images and repetitions counted
    batch        maps a step
    width        features times resolution of the generator; the discriminator has half as many
    adversarial  λ_adv
    reconstruct  λ_rec
    detail       λ_det
    placement    λ_place
    penalty      weight of the squared slopes of the discriminator at real and at drawn maps; small, for skin's detail
                 is a few thousandths of a display value, and telling it takes steep slopes
    rate         Adam's for the discriminator, PACE times as much for the generator, with β = (0, 0.99) as in the paper
                 of progressive growing; falls to zero in the last quarter
    average      decay of the averaged generator per map shown
    """

    shown: dict[int, int] = field(default_factory=lambda: {64: 8_000, 128: 24_000, 256: 24_000, 512: 82_000})
    batch: int = 8
    latent: int = 512
    width: int = 4096
    adversarial: float = 0.3
    reconstruct: float = 10.0
    detail: float = 2.0
    placement: float = 2.0
    penalty: float = 0.005
    rate: float = 2e-3
    average: float = 0.9995
    seed: int = 0
    device: str = "cpu"

    def place(self, shown: int) -> tuple[int, float] | None:
        """Resolution, and how far it is faded in, after so many maps; None at the end. The first quarter of a stage
        fades its level in."""
        for resolution, count in self.shown.items():
            if shown < count:
                return resolution, min(1.0, 4.0 * shown / count) if resolution > COARSE else 1.0
            shown -= count
        return None

    def scaled(self, effort: float) -> GanConfig:
        """The same schedule with more or fewer maps; every stage keeps whole steps, and at least two."""
        steps = {side: max(2, round(effort * count / self.batch)) for side, count in self.shown.items()}
        return replace(self, shown={side: self.batch * count for side, count in steps.items()})

    @property
    def total(self) -> int:
        """Maps shown in the whole training."""
        return sum(self.shown.values())


@dataclass(frozen=True)
class GanStep:
    """One step: where the training stands, and what the losses were."""

    resolution: int
    fade: float
    shown: int
    losses: dict[str, float]
    seconds: float


class GanTraining:
    """Networks, optimisers and random numbers of one training; `state` is what `save` writes."""

    def __init__(self, maps: TrainingMaps, config: GanConfig, state: dict[str, Any] | None = None) -> None:
        self.maps, self.config = maps, config
        self.random = torch.Generator().manual_seed(config.seed)
        resolution = max(config.shown)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.generator = Generator(resolution, config.latent, config.width).to(config.device)
            self.discriminator = Discriminator(resolution, config.width // 2).to(config.device)
        if state is None:
            self._begin()
        self.averaged = copy.deepcopy(self.generator).requires_grad_(False)
        named = list(self.generator.named_parameters())
        details = [value for name, value in named if name.endswith(".detail")]
        others = [value for name, value in named if not name.endswith(".detail")]
        groups = [{"params": others, "pace": PACE}, {"params": details, "pace": DETAIL_PACE}]
        self.optimizers = [
            torch.optim.Adam(parameters, lr=config.rate, betas=(0.0, 0.99), fused=True)
            for parameters in (groups, [{"params": list(self.discriminator.parameters()), "pace": 1.0}])
        ]
        self.shown, self.count = 0, 0
        if state is not None:
            self._restore(state)

    @torch.no_grad()
    def _begin(self) -> None:
        """Gives the generator what is known in closed form."""
        maps, generator = self.maps, self.generator
        generator.mean.copy_(maps.coarse_mean)
        generator.marginals.load_state_dict(maps.marginals.state_dict())
        generator.luma.copy_(maps.luma)
        generator.chroma.copy_(maps.chroma)
        generator.tints.copy_(maps.tints)
        # A code counts at first by what it shows, or rather its root, lest the last ones be lost.
        shown = generator.luma.square().mean(dim=(1, 2, 3)).sqrt()
        generator.dense.weight.mul_((shown / shown.square().mean().sqrt()).sqrt())
        for side, picture in generator.pictures.items():
            picture = cast(Picture, picture)
            picture.detail.copy_(maps.detail(int(side), picture.detail.shape[2]))
            if int(side) > COARSE:
                placed, gates = maps.placed_detail(int(side), picture.placed.shape[2])
                picture.placed.copy_(placed)
                picture.placed_gates.copy_(gates)

    def _restore(self, state: dict[str, Any]) -> None:
        networks: list[nn.Module] = [self.generator, self.discriminator, self.averaged]
        for network, stored in zip(networks, state["networks"], strict=True):
            network.load_state_dict(stored)
        for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        self.random.set_state(state["random"])
        self.shown, self.count = state["shown"], state["count"]

    def steps(self) -> Iterator[GanStep]:
        """Trains to the end of the schedule."""
        while (place := self.config.place(self.shown)) is not None:
            clock = perf_counter()
            losses = self._step(*place)
            yield GanStep(*place, self.shown, losses, perf_counter() - clock)

    def _step(self, resolution: int, fade: float) -> dict[str, float]:
        """One update of the discriminator and one of the generator on the same pictures."""
        config, count = self.config, self.config.batch
        window = self._window(resolution)
        index = torch.randint(len(self.maps), (count,), generator=self.random)
        noise = torch.randn(count // 2, config.latent, generator=self.random)
        grown = resolution == max(config.shown) and fade >= 1.0
        expected = self.maps.expected_detail.within(window) if grown else None
        if expected:
            noise = torch.cat([expected.pushed(noise[: count // 4], self.random), noise[count // 4 :]])
        z = torch.cat([self.maps.latents[index[: count // 2]], noise]).to(config.device)
        real = self.maps.pictures(index, resolution, window).to(config.device)
        real = _faded(real, fade)
        mean, weight, eyes = (
            self.maps.part(whole, resolution, window).to(config.device)
            for whole in (self.maps.mean, self.maps.weight, self.maps.eyes)
        )
        with mixed_precision(config.device):
            fake = self.generator(z, resolution, fade, window)
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = group["pace"] * config.rate * min(1.0, 4.0 - 4.0 * self.shown / config.total)
        losses = self._update_discriminator(real, fake.detach(), mean, resolution, fade)
        losses |= self._update_generator(z, real, fake, mean, weight, eyes, resolution, fade, expected)
        with torch.no_grad():
            decay = config.average**count
            for ours, theirs in zip(self.averaged.parameters(), self.generator.parameters(), strict=True):
                ours.lerp_(theirs, 1.0 - decay)
        self.shown, self.count = self.shown + count, self.count + 1
        return losses

    def _window(self, resolution: int) -> Window | None:
        """A place that a window may take. Those at an edge are drawn five times as often; else they hardly would be."""
        if resolution <= WINDOW:
            return None
        last = COARSE - WINDOW * COARSE // resolution
        places = torch.randint(-4, last + 5, (2,), generator=self.random).clamp(0, last)
        return Window(*places.tolist())

    def _update_discriminator(
        self, real: Tensor, fake: Tensor, mean: Tensor, resolution: int, fade: float
    ) -> dict[str, float]:
        penalised = self.count % PENALTY_EVERY == 0
        pictures = torch.cat([real, fake]).requires_grad_(penalised)
        with mixed_precision(self.config.device):
            # Real and fake are judged apart: minibatch standard deviation must not see them side by side.
            verdicts = [self.discriminator(part, mean, resolution, fade) for part in pictures.chunk(2)]
        loss = F.softplus((verdicts[1] - verdicts[0]).float()).mean()
        losses = {"discriminator": float(loss.detach())}
        if penalised:
            (slope,) = torch.autograd.grad(torch.cat(verdicts).sum(), pictures, create_graph=True)
            slope = slope.float().square().sum(dim=(1, 2, 3)).mean()
            losses["slope"] = float(slope.detach())
            loss = loss + self.config.penalty * PENALTY_EVERY * slope
        _update(self.optimizers[1], loss)
        return losses

    def _update_generator(
        self,
        z: Tensor,
        real: Tensor,
        fake: Tensor,
        mean: Tensor,
        weight: Tensor,
        eyes: Tensor,
        resolution: int,
        fade: float,
        expected: ExpectedDetail | None,
    ) -> dict[str, float]:
        config, coded = self.config, len(real) // 2
        self.discriminator.requires_grad_(False)
        with mixed_precision(config.device):
            with torch.no_grad():
                reference = self.discriminator(real, mean, resolution, fade)
            adversarial = F.softplus((reference - self.discriminator(fake, mean, resolution, fade)).float()).mean()
        reconstruction = anchor_loss(fake[:coded].float(), real[:coded], weight, eyes, resolution)
        detail = detail_loss(fake[:coded].float(), real[:coded], weight)
        if expected:
            detail = detail + expected.loss(fake[coded:].float(), z[coded:], weight)
        placement = placement_loss(fake[:coded].float(), real[:coded], weight)
        loss = config.adversarial * adversarial + config.reconstruct * reconstruction
        loss = loss + config.detail * detail + config.placement * placement
        _update(self.optimizers[0], loss)
        self.discriminator.requires_grad_(True)
        terms = {"adversarial": adversarial, "reconstruction": reconstruction, "detail": detail, "placement": placement}
        return {name: float(value.detach()) for name, value in terms.items()}

    def save(self, path: Path) -> None:
        """Writes everything that `resume` needs; an interrupted write leaves the last checkpoint whole."""
        state: dict[str, Any] = {
            "config": asdict(self.config),
            "networks": [n.state_dict() for n in (self.generator, self.discriminator, self.averaged)],
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "random": self.random.get_state(),
            "shown": self.shown,
            "count": self.count,
        }
        with replaced(path) as work, work.open("wb") as file:  # to a file, which says when the disk is full
            torch.save(state, file)

    @classmethod
    def resume(cls, path: Path, maps: TrainingMaps, config: GanConfig) -> GanTraining:
        """The training that `save` wrote, on the same corpus and with the same settings; the device may be another.

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


def mixed_precision(device: str) -> torch.autocast:
    """bfloat16 inside the networks where it is fast: on GPUs and on processors with instructions for it.

    Other processors emulate it: a step takes 5 s there, in single precision 0.9 s.
    """
    fast = device != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=fast)


def anchor_loss(
    picture: Float[Tensor, "N H W 3"],
    target: Float[Tensor, "N H W 3"],
    weight: Float[Tensor, "H W 1"],
    eyes: Float[Tensor, "H W 1"],
    resolution: int,
) -> Float[Tensor, ""]:
    """L_rec of pictures of a resolution: reduced to at most PLACED², and at full size within the eyes."""
    loss = reconstruction_loss(picture, target, eyes[..., 0]) if resolution > PLACED else picture.new_zeros(())
    while resolution > PLACED:
        picture, target, weight = halve(picture), halve(target), halve(weight[None])[0]
        resolution //= 2
    return loss + reconstruction_loss(picture, target, weight[..., 0])


def reconstruction_loss(
    picture: Float[Tensor, "N H W 3"], target: Float[Tensor, "N H W 3"], weight: Float[Tensor, "H W"]
) -> Float[Tensor, ""]:
    """Mean absolute error of the values and of their differences between neighbours, weighted by texel; 0 where nothing
    counts."""
    error = picture - target
    parts = (error, weight), (error.diff(dim=1), weight[1:]), (error.diff(dim=2), weight[:, 1:])
    return torch.stack(
        [(part.abs().mean(dim=(0, 3)) * share).sum() / share.sum().clamp_min(1.0) for part, share in parts]
    ).sum()


def _faded(real: Float[Tensor, "N H W 3"], fade: float) -> Float[Tensor, "N H W 3"]:
    """Maps as sharp as the generator's can be while its finest level fades in."""
    if fade >= 1.0:
        return real
    coarse = enlarge(halve(real), "bilinear")
    return fade * real + (1.0 - fade) * coarse


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
