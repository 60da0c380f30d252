"""The settings of a training: its schedule, its loss weights and its learning rate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ganfit_nb.networks.progressive_generator import COARSE


@dataclass(frozen=True)
class GanConfig:
    """What may be chosen before a training.

    schedule               images shown at each resolution; mirror images and repetitions count
    batch_size             images a step
    latent                 length of z
    width                  features times resolution of the generator; the discriminator has half as many
    adversarial_weight     λ_adv
    reconstruction_weight  λ_rec
    detail_weight          λ_det
    expected_weight        λ_exp
    placement_weight       λ_place
    gamma                  γ of the R1 and R2 penalties. It is small: the detail of skin is a few thousandths of a
                           display value, and a discriminator that tells it has a steep slope.
    lr                     learning rate of Adam with β = (0, 0.99), as in the paper of progressive growing; it falls to
                           zero in the last quarter, and groups of parameters have their multipliers of it
    ema_decay              decay of the generator's exponential moving average (EMA), per image
    """

    schedule: dict[int, int] = field(default_factory=lambda: {64: 8_000, 128: 24_000, 256: 24_000, 512: 82_000})
    batch_size: int = 8
    latent: int = 512
    width: int = 4096
    adversarial_weight: float = 0.3
    reconstruction_weight: float = 10.0
    detail_weight: float = 2.0
    expected_weight: float = 2.0
    placement_weight: float = 2.0
    gamma: float = 0.005
    lr: float = 2e-3
    ema_decay: float = 0.9995
    seed: int = 0
    device: str = "cpu"

    @property
    def resolution(self) -> int:
        """The resolution that the generator is grown to."""
        return max(self.schedule)

    @property
    def total_images(self) -> int:
        """Images shown in the whole training."""
        return sum(self.schedule.values())

    def stage_at(self, images: int) -> tuple[int, float] | None:
        """The resolution and the fade-in weight alpha after so many images; None at the end.

        A resolution above COARSE fades in over the first quarter of its stage.
        """
        for resolution, count in self.schedule.items():
            if images < count:
                return resolution, min(1.0, 4.0 * images / count) if resolution > COARSE else 1.0
            images -= count
        return None

    def lr_at(self, images: int) -> float:
        """The learning rate after so many images."""
        return self.lr * min(1.0, 4.0 - 4.0 * images / self.total_images)

    def scaled(self, effort: float) -> GanConfig:
        """The same schedule with `effort` times the images. Every stage has whole steps, and two at least."""
        steps = {side: max(2, round(effort * count / self.batch_size)) for side, count in self.schedule.items()}
        return replace(self, schedule={side: self.batch_size * count for side, count in steps.items()})
