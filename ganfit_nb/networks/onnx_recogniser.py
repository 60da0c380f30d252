"""Face recognisers from ONNX graphs as differentiable torch modules: ArcFace's IResNets, MobileFaceNets and their like.

Only `onnx` is needed, and only to read the file. Half-precision weights are computed with in single precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganfit_nb.errors import GanfitError

SIZE = 112  # px, the input of every insightface recogniser
Attributes = dict[str, Any]
Node = tuple[str, list[str], str, Attributes]


class OnnxRecogniser(nn.Module):
    """Aligned crops to the embedding, and to the last sum of every spatial resolution (a residual stage's output)."""

    def __init__(self, path: Path):
        super().__init__()
        graph = _load_graph(path)
        self.weights: dict[str, str] = {}
        for number, (name, value) in enumerate(graph.constants.items()):
            self.register_buffer(f"w{number}", value)
            self.weights[name] = f"w{number}"
        self.nodes, self.input, self.output = graph.nodes, graph.input, graph.output
        # Graphs that came from MXNet subtract the mean and divide by the deviation themselves, in 0..255.
        raw = any(operation == "Sub" and self.input in inputs for operation, inputs, *_ in self.nodes)
        self.range = (0.0, 255.0) if raw else (-1.0, 1.0)
        self.finished = _finished(self.nodes, self.output)
        try:
            with torch.no_grad():
                embedding, stages = self(torch.zeros(1, 3, SIZE, SIZE))
        except (RuntimeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise GanfitError(f"{path} is no face recogniser for crops of {SIZE} pixels; give a pack's own.") from error
        if embedding.dim() != 2 or len(stages) < 2:
            raise GanfitError(f"{path} gives no embedding with activations; give a pack's recognition network.")

    def forward(self, crops: Float[Tensor, "N 3 112 112"]) -> tuple[Float[Tensor, "N D"], tuple[Tensor, ...]]:
        """The embedding of RGB crops in [0, 1], and the activations from the finest to the coarsest."""
        low, high = self.range
        tensors = {self.input: low + (high - low) * crops}
        sums: dict[int, Tensor] = {}
        for (operation, inputs, output, attributes), finished in zip(self.nodes, self.finished, strict=True):
            values = [self._value(name, tensors) for name in inputs]
            result = OPERATIONS[operation](attributes, *values)
            tensors[output] = result
            if operation == "Add" and result.dim() == 4:
                sums[result.shape[-1]] = result
            for name in finished:
                del tensors[name]
        return tensors[self.output], tuple(sums.values())

    def _value(self, name: str, tensors: dict[str, Tensor]) -> Tensor | None:
        if name in tensors:
            return tensors[name]
        return self.get_buffer(self.weights[name]) if name else None


@dataclass(frozen=True)
class _Graph:
    """nodes: (operation, inputs, output, attributes) in the order to run them; constants: weights by name."""

    nodes: list[Node]
    constants: dict[str, Tensor]
    input: str
    output: str


def load_onnx(path: Path) -> Any:
    """The file's onnx.ModelProto, without data from other files. GanfitError when it is none."""
    try:
        import onnx
    except ImportError as error:
        raise GanfitError('ArcFace needs the package onnx; run: pip install "ganfit_nb[arcface]"') from error
    try:
        return onnx.load(path, load_external_data=False)
    except OSError as error:
        raise GanfitError(f"{path} cannot be read ({error.strerror}); give a recognition network's .onnx.") from error
    except Exception as error:  # protobuf's own
        raise GanfitError(f"{path} is no complete ONNX file; download the pack again.") from error


def _load_graph(path: Path) -> _Graph:
    """The graph's nodes and weights; GanfitError when it is none that this module can run."""
    graph = load_onnx(path).graph
    from onnx import TensorProto, helper, numpy_helper

    def attribute(stored: Any) -> Any:
        value = helper.get_attribute_value(stored)
        return _tensor(numpy_helper.to_array(value)) if isinstance(value, TensorProto) else value

    try:
        constants = {tensor.name: _tensor(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
        nodes = [
            (node.op_type, list(node.input), node.output[0], {a.name: attribute(a) for a in node.attribute})
            for node in graph.node
        ]
        picture = next(value.name for value in graph.input if value.name not in constants)
        output = graph.output[0].name
    except (ValueError, TypeError, IndexError, StopIteration) as error:
        raise GanfitError(f"{path} holds no network with weights; give a pack's recognition network.") from error
    unknown = sorted({operation for operation, *_ in nodes} - OPERATIONS.keys())
    if unknown:
        raise GanfitError(f"{path} uses {', '.join(unknown)}, which no known recogniser does; give a pack's own.")
    return _Graph(nodes, constants, picture, output)


def _tensor(values: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(np.array(values))
    return tensor.float() if tensor.is_floating_point() else tensor


def _finished(nodes: list[Node], kept: str) -> list[list[str]]:
    """Per node the tensors that nobody reads after it, so that memory stays small."""
    produced = {output for _, _, output, _ in nodes} - {kept}
    last = {name: k for k, (_, inputs, _, _) in enumerate(nodes) for name in inputs if name in produced}
    result: list[list[str]] = [[] for _ in nodes]
    for name, k in last.items():
        result[k].append(name)
    return result


def _convolution(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    x = F.pad(x, (left, right, top, bottom)) if top or left or bottom or right else x
    return F.conv2d(x, weight, bias, a.get("strides", [1, 1]), 0, a.get("dilations", [1, 1]), a.get("group", 1))


def _batch_norm(a: Attributes, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, shift, False, 0.0, a.get("epsilon", 1e-5))


def _gemm(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x, weight = (x.T if a.get("transA") else x), (weight.T if a.get("transB") else weight)
    y = a.get("alpha", 1.0) * (x @ weight)
    return y if bias is None else y + a.get("beta", 1.0) * bias


def _reshape(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x.reshape([x.shape[k] if d == 0 else d for k, d in enumerate(shape.tolist())])


def _unsqueeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    for axis in sorted(a["axes"] if axes is None else axes.tolist()):  # an attribute until opset 13
        x = x.unsqueeze(axis)
    return x


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Conv": _convolution,
    "BatchNormalization": _batch_norm,
    "PRelu": lambda a, x, slope: F.prelu(x, slope.reshape(-1)),
    "Relu": lambda a, x: F.relu(x),
    "Gemm": _gemm,
    "MatMul": lambda a, x, y: x @ y,
    "Add": lambda a, x, y: x + y,
    "Sub": lambda a, x, y: x - y,
    "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x / y,
    "Flatten": lambda a, x: x.flatten(a.get("axis", 1)),
    "Reshape": _reshape,
    "Dropout": lambda a, x, *_: x,
    "Identity": lambda a, x: x,
    "Cast": lambda a, x: x,  # between half and single precision; all is single here
    "Constant": lambda a: a["value"],
    # what torch's exporter makes of x.view(x.size(0), -1)
    "Shape": lambda a, x: torch.tensor(x.shape, device=x.device),
    "Gather": lambda a, x, index: x.index_select(a.get("axis", 0), index.reshape(-1)).reshape(index.shape),
    "Unsqueeze": _unsqueeze,
    "Concat": lambda a, *xs: torch.cat(xs, a["axis"]),
}
