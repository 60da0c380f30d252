"""dlib's face recogniser (King 2017, "dlib_face_recognition_resnet_model_v1") in torch, so that it is differentiable.

It is a ResNet of 29 convolutions, trained with a metric loss: the embeddings of two photos of one person are closer
than 0.6 in Euclidean distance. `tools/convert_dlib.py` folds the affine layer after each convolution (the frozen batch
norm) into the convolution.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

# Channels and residual blocks of each stage. All stages but the first halve the resolution.
STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
CROP_SIZE = 150  # px, the side of the aligned crop
MEAN = (122.782, 117.001, 104.298)  # of the training images, RGB in 0..255


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, and a shortcut without weights."""

    def __init__(self, channels_in: int, channels: int, halve: bool):
        super().__init__()
        self.halve = halve
        self.first = nn.Conv2d(channels_in, channels, 3, stride=2 if halve else 1, padding=0 if halve else 1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D H2 W2"]:
        """The output, with half the resolution if `halve` was given."""
        y = self.second(F.relu(self.first(x)))
        return F.relu(_add_padded(y, F.avg_pool2d(x, 2)) if self.halve else y + x)


def _add_padded(a: Tensor, b: Tensor) -> Tensor:
    """The sum of two tensors of different sizes (dlib's add_prev): zeros fill up channels, rows and columns."""
    shape = [max(sizes) for sizes in zip(a.shape[1:], b.shape[1:], strict=True)]

    def pad(x: Tensor) -> Tensor:
        missing = [size - have for size, have in zip(shape, x.shape[1:], strict=True)]
        return F.pad(x, (0, missing[2], 0, missing[1], 0, missing[0])) if any(missing) else x

    return pad(a) + pad(b)


class DlibResNet(nn.Module):
    """Maps aligned crops to the embedding and to the activations of the stages."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) / 255, persistent=False)
        self.stem = nn.Conv2d(3, STAGES[0][0], 7, stride=2)
        stages, channels_in = [], STAGES[0][0]
        for number, (channels, blocks) in enumerate(STAGES):
            halves = [number > 0 and k == 0 for k in range(blocks)]
            inputs = [channels_in] + [channels] * (blocks - 1)
            blocks_of_stage = (ResidualBlock(i, channels, h) for i, h in zip(inputs, halves, strict=True))
            stages.append(nn.Sequential(*blocks_of_stage))
            channels_in = channels
        self.stages = nn.ModuleList(stages)
        self.embedding = nn.Linear(channels_in, 128, bias=False)

    def forward(self, crops: Float[Tensor, "N 3 150 150"]) -> tuple[Float[Tensor, "N 128"], tuple[Tensor, ...]]:
        """The embedding of RGB crops in [0, 1], and the activations after the stem and after each stage."""
        x = (crops - self.mean) * (255 / 256)
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)
        activations = [x]
        for stage in self.stages:
            x = stage(x)
            activations.append(x)
        return self.embedding(x.mean((2, 3))), tuple(activations)

    @classmethod
    def load(cls, path: Path) -> DlibResNet:
        """The frozen network from a file of `tools/convert_dlib.py` (fp16 weights, computed in fp32)."""
        network = cls()
        network.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
        return network.eval().requires_grad_(False)
