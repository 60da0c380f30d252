"""Runs the graphs that `tools/convert_mediapipe.py` writes, as a differentiable torch module.

A graph is a list of operations on numbered tensors. Feature maps are (N, C, H, W) here and (N, H, W, C) in the source;
the only operation that can tell is `reshape`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor, nn

Operation = dict[str, Any]


class TFLiteNetwork(nn.Module):
    """A frozen network from a safetensors file whose metadata hold the graph."""

    def __init__(self, path: Path):
        super().__init__()
        with safe_open(path, "pt") as file:
            graph = json.loads(file.metadata()["graph"])
            for name in file.keys():  # noqa: SIM118 (safe_open is no mapping)
                self.register_buffer(name, file.get_tensor(name).float())
        self.input: int = graph["input"]
        self.outputs: dict[str, int] = graph["outputs"]
        self.operations: list[Operation] = graph["operations"]
        self.finished = _finished_tensors(self.operations, set(self.outputs.values()))

    def forward(self, image: Float[Tensor, "N C H W"]) -> dict[str, Tensor]:
        """The network's outputs by name. The size and the range of `image` are the network's own."""
        tensors = {self.input: image}
        for operation, finished in zip(self.operations, self.finished, strict=True):
            inputs = [tensors[i] for i in operation["inputs"]]
            tensors[operation["output"]] = _OPERATIONS[operation["op"]](operation, self.get_buffer, *inputs)
            for i in finished:
                del tensors[i]
        return {name: tensors[i] for name, i in self.outputs.items()}


def _finished_tensors(operations: list[Operation], kept: set[int]) -> list[list[int]]:
    """Per operation the tensors that nobody reads after it, so that memory stays small."""
    last_use = {i: k for k, operation in enumerate(operations) for i in operation["inputs"]}
    return [
        [i for i in set(operation["inputs"]) if last_use[i] == k and i not in kept]
        for k, operation in enumerate(operations)
    ]


def _activate(x: Tensor, activation: str | None) -> Tensor:
    return F.relu(x) if activation == "relu" else x


def _convolution(op: Operation, weight: Any, x: Tensor) -> Tensor:
    if any(op["padding"]):
        x = F.pad(x, op["padding"])
    x = F.conv2d(
        x, weight(op["weight"]), weight(op["bias"]), op["stride"], dilation=op.get("dilation", 1), groups=op["groups"]
    )
    return _activate(x, op["activation"])


def _transposed_convolution(op: Operation, weight: Any, x: Tensor) -> Tensor:
    """With TensorFlow's SAME padding: each side of the result is `stride` times that of x, the odd pixel cut at the
    end."""
    kernel, stride = weight(op["weight"]), op["stride"]
    result = F.conv_transpose2d(x, kernel, weight(op["bias"]), stride)
    for axis in (2, 3):
        step = stride[axis - 2]
        result = result.narrow(axis, (kernel.shape[axis] - step) // 2, step * x.shape[axis])
    return result


def _max_unpool(op: Operation, weight: Any, x: Tensor, pooled: Tensor) -> Tensor:
    """x at the places where the maxima of `pooled` lay, zero elsewhere."""
    _, places = F.max_pool2d(pooled, op["kernel"], return_indices=True)
    return F.max_unpool2d(x, places, op["kernel"])


def _reshape(op: Operation, weight: Any, x: Tensor) -> Tensor:
    if x.dim() == 4:
        x = x.permute(0, 2, 3, 1)
    x = x.reshape(x.shape[0], *op["shape"])
    return x.permute(0, 3, 1, 2) if x.dim() == 4 else x


def _landmarks_to_transform(op: Operation, weight: Any, landmarks: Tensor) -> Tensor:
    """MediaPipe's Landmarks2TransformMatrix: the rotated box around a subset of the landmarks, as (N, 4, 4) from the
    cut-out's pixels to the feature map's.
    """
    o = op["options"]
    axis = landmarks[:, o["right_rotation_idx"]] - landmarks[:, o["left_rotation_idx"]]
    angle = o["target_rotation_radians"] - torch.atan2(axis[:, 1], axis[:, 0])
    cos, sin = angle.cos(), angle.sin()
    subset = landmarks[:, o["subset_idxs"], :2]
    rotation = torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2)
    rotated = subset @ rotation.mT
    low, high = rotated.amin(1), rotated.amax(1)
    output_size = landmarks.new_tensor([o["output_width"], o["output_height"]])
    scale = landmarks.new_tensor([o["scale_x"], o["scale_y"]]) * (high - low) / output_size
    linear = rotation.mT * scale[:, None]  # R(-angle) diag(scale)
    centre = (rotation.mT @ ((low + high) / 2)[..., None])[..., 0]
    matrix = torch.eye(4).to(landmarks).repeat(len(landmarks), 1, 1)
    matrix[:, :2, :2] = linear
    matrix[:, :2, 3] = centre - (linear @ (output_size / 2)[:, None])[..., 0]
    return matrix


def _transform_bilinear(op: Operation, weight: Any, features: Tensor, matrix: Tensor) -> Tensor:
    """MediaPipe's TransformTensorBilinear: samples the feature map under the cut-out's pixels, zero outside."""
    height, width = op["options"]["output_height"], op["options"]["output_width"]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.stack([x, y], -1).to(features)  # (h, w, 2)
    source = torch.einsum("hwk,njk->nhwj", pixels, matrix[:, :2, :2]) + matrix[:, None, None, :2, 3] - 0.5
    last = features.new_tensor([features.shape[3] - 1, features.shape[2] - 1])
    inside = ((source >= 0) & (source <= last)).all(-1)
    return F.grid_sample(features, source * 2 / last - 1, align_corners=True) * inside[:, None]


_OPERATIONS: dict[str, Any] = {
    "convolution": _convolution,
    "transposed_convolution": _transposed_convolution,
    "max_pool": lambda op, weight, x: F.max_pool2d(x, op["kernel"], op["stride"]),
    "max_unpool": _max_unpool,
    "prelu": lambda op, weight, x: F.prelu(x, weight(op["weight"])),
    "relu": lambda op, weight, x: F.relu(x),
    "add": lambda op, weight, a, b: _activate(a + b, op["activation"]),
    "multiply": lambda op, weight, x: x * weight(op["factor"]),
    "pad": lambda op, weight, x: F.pad(x, op["padding"]),
    "reshape": _reshape,
    "concatenate": lambda op, weight, *xs: torch.cat(xs, op["axis"]),
    "Landmarks2TransformMatrix": _landmarks_to_transform,
    "TransformTensorBilinear": _transform_bilinear,
    "TransformLandmarks": lambda op, weight, x, matrix: x @ matrix[:, :2, :2].mT + matrix[:, None, :2, 3],
}
