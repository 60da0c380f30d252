"""ArcFace's architecture (IResNet, Deng et al. 2019) with random weights, and its export to ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

LAYERS = {18: (2, 2, 2, 2), 50: (3, 4, 14, 3)}


class Block(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int):
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(channels_in), nn.Conv2d(channels_in, channels, 3, 1, 1, bias=False))
        self.second = nn.Sequential(nn.BatchNorm2d(channels), nn.PReLU(channels))
        self.third = nn.Sequential(nn.Conv2d(channels, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels))
        self.shortcut = nn.Identity()
        if stride != 1 or channels_in != channels:
            convolution = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.third(self.second(self.first(x))) + self.shortcut(x)


class IResNet(nn.Module):
    """112×112 RGB in [-1, 1] to 512 numbers. `view` flattens as older exports do, `raw` takes 0..255 as MXNet's."""

    def __init__(self, depth: int, view: bool = False, raw: bool = False):
        super().__init__()
        self.view, self.raw = view, raw
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        blocks, channels_in = [], 64
        for channels, count in zip((64, 128, 256, 512), LAYERS[depth], strict=True):
            for k in range(count):
                blocks.append(Block(channels_in, channels, 2 if k == 0 else 1))
                channels_in = channels
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(nn.BatchNorm2d(512), nn.Dropout(0.0))
        self.embedding = nn.Sequential(nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512))

    def forward(self, x: Tensor) -> Tensor:
        if self.raw:
            x = (x - 127.5) * 0.0078125
        x = self.last(self.blocks(self.stem(x)))
        return self.embedding(x.view(x.size(0), -1) if self.view else torch.flatten(x, 1))

    @classmethod
    def random(cls, depth: int, **options: bool) -> IResNet:
        """Weights and statistics that make every layer count."""
        torch.manual_seed(depth)
        network = cls(depth, **options)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, 0.0, 0.2)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.2)
                nn.init.normal_(module.bias, 0.0, 0.1)
        return network.eval()


def export(network: nn.Module, path: Path, opset: int) -> Path:
    """Writes the graph as insightface's own were written: traced, batch norms folded, a batch of any size."""
    picture = torch.zeros(1, 3, 112, 112, dtype=next(network.parameters()).dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces another exporter
        torch.onnx.export(
            network,
            (picture,),
            str(path),
            dynamo=False,
            opset_version=opset,
            input_names=["picture"],
            output_names=["embedding"],
            dynamic_axes={"picture": {0: "batch"}, "embedding": {0: "batch"}},
        )
    return path
