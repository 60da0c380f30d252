"""The independent judge's network: Intel's face-reidentification-retail-0095 (Open Model Zoo) in torch.

It is a MobileFaceNet (Chen et al. 2018) whose bottlenecks have squeeze-and-excitation (Hu et al. 2018). Photos of one
person have a large cosine similarity, photos of different people one near 0. `tools/convert_face_reidentification.py`
makes the file of its weights. No objective may use this network, so that its verdict on a fit stays independent.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

CROP_SIZE = 128  # px, the side of the aligned crop
# Where the eyes' centres, the tip of the nose and the corners of the mouth lie in the crop, in shares of its side. The
# Open Model Zoo's page of the model gives them.
FIVE_POINTS = ((0.3156, 0.4616), (0.6826, 0.4616), (0.5003, 0.6405), (0.3495, 0.8247), (0.6534, 0.8247))

# By stage: channels, expanded channels of the first bottleneck, which halves the resolution, expanded channels of the
# bottlenecks after it, and their number.
STAGES = ((64, 128, 128, 4), (128, 256, 256, 6), (128, 512, 256, 2))
REDUCTION = 8  # channels per channel of the squeeze

# Usual cosine similarities. `benchmarks/judge_statistics.py` measured DIFFERENT_PEOPLE over all 58,653 pairs of 343
# official portraits: mean 0.03, standard deviation 0.10, 99 % below 0.29, all below 0.52. SAME_PERSON is the mean over
# 14 people with two portraits each, which the project's maintainers measured in November 2026 with the network in
# OpenVINO. Our own portraits cannot repeat that, because they show nobody twice; where a folder has second photos,
# `benchmarks/likeness.py` measures it.
SAME_PERSON = 0.84
DIFFERENT_PEOPLE = 0.03


class Gate(nn.Sequential):
    """Squeeze-and-excitation: weighs every channel by a number in [0, 1] that follows from all channels' means."""

    def __init__(self, channels: int):
        squeezed = channels // REDUCTION
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.PReLU(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """The weighted channels."""
        return x * super().forward(x)


class Bottleneck(nn.Module):
    """Expands the channels, filters each by itself, projects them down, and gates them.

    Where it keeps the shape of its input, it adds it.
    """

    def __init__(self, channels_in: int, expanded: int, channels: int, stride: int = 1):
        super().__init__()
        self.has_shortcut = stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(channels_in, expanded, 1),
            nn.PReLU(),
            depthwise(expanded, stride),
            nn.PReLU(),
            nn.Conv2d(expanded, channels, 1),
            Gate(channels),
        )

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D H2 W2"]:
        """The block's output."""
        return x + self.layers(x) if self.has_shortcut else self.layers(x)


def depthwise(channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3×3 convolution of every channel by itself."""
    return nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels)


class FaceReidentification(nn.Module):
    """Aligned crops to embeddings."""

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.empty(1, 3, 1, 1))
        self.register_buffer("shift", torch.empty(1, 3, 1, 1))
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, stride=2, padding=1), nn.PReLU(), depthwise(64), nn.PReLU()]
        channels_in = 64
        for channels, expanded_first, expanded, repeats in STAGES:
            layers.append(Bottleneck(channels_in, expanded_first, channels, stride=2))
            layers += [Bottleneck(channels, expanded, channels) for _ in range(repeats)]
            channels_in = channels
        layers += [nn.Conv2d(channels_in, 512, 1), nn.PReLU(), nn.Conv2d(512, 512, 8, groups=512)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(512, 256, 1, bias=False))

    def forward(self, crops: Float[Tensor, "N 3 128 128"]) -> Float[Tensor, "N 256"]:
        """The embeddings of RGB crops in [0, 1]; only their directions have a meaning."""
        return self.layers(255 * crops * self.scale + self.shift).flatten(1)

    @classmethod
    def load(cls, path: Path) -> FaceReidentification:
        """The frozen network from the tool's file (fp16 weights, computed in fp32)."""
        network = cls()
        network.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
        return network.eval().requires_grad_(False)
