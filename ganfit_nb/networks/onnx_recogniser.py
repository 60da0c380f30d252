"""Makes differentiable torch modules of face recognisers in ONNX files, such as ArcFace's IResNets and MobileFaceNets.

The package `onnx` is needed only to read the file. Weights in half precision are converted to single precision. The
file comes from elsewhere. So the network is first run with shapes alone (torch's device "meta"), and a file that asks
for large computations or allocations is refused.
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
from ganfit_nb.files.reading import reading

SIZE = 112  # px, the input of every insightface recogniser
MAXIMUM_BYTES = 2**29  # largest file; the recogniser of the largest pack has half of this
NODES = 10_000  # most operations; an IResNet-200 has a tenth of this
ACTIVATIONS, INDICES = 2**24, 1000  # most numbers in an activation of one crop, and in a shape or an index
Attributes = dict[str, Any]
Node = tuple[str, list[str], str, Attributes]


class OnnxRecogniser(nn.Module):
    """Maps aligned crops to the embedding and to the output of each residual stage.

    The output of a stage is the last sum of feature maps that has its resolution.
    """

    def __init__(self, path: Path):
        super().__init__()
        with reading(path, f"is no face recogniser for crops of {SIZE} pixels; give a pack's own.", MAXIMUM_BYTES):
            graph = _load_graph(path)
            self.weights: dict[str, str] = {}
            for number, (name, value) in enumerate(graph.constants.items()):
                self.register_buffer(f"w{number}", value)
                self.weights[name] = f"w{number}"
            self.nodes, self.input, self.output = graph.nodes, graph.input, graph.output
            # Graphs that were converted from MXNet take values in 0..255 and normalise them themselves.
            raw = any(operation == "Sub" and self.input in inputs for operation, inputs, *_ in self.nodes)
            self.range = (0.0, 255.0) if raw else (-1.0, 1.0)
            self.finished = _finished(self.nodes, self.output)
            with torch.no_grad():
                self(torch.zeros(1, 3, SIZE, SIZE, device="meta"))
                embedding, stages = self(torch.zeros(1, 3, SIZE, SIZE))
            if embedding.dim() != 2 or len(stages) < 2:
                raise GanfitError(f"{path} gives no embedding with activations; give a pack's recognition network.")

    def forward(self, crops: Float[Tensor, "N 3 112 112"]) -> tuple[Float[Tensor, "N D"], tuple[Tensor, ...]]:
        """The embedding of RGB crops in [0, 1], and the activations from the finest to the coarsest."""
        low, high = self.range
        tensors = {self.input: low + (high - low) * crops}
        sums: dict[int, Tensor] = {}
        for (operation, inputs, output, attributes), finished in zip(self.nodes, self.finished, strict=True):
            values = [self._value(name, tensors, crops.is_meta) for name in inputs]
            result = OPERATIONS[operation](attributes, *values)
            if result.numel() > len(crops) * (ACTIVATIONS if result.is_floating_point() else INDICES):
                raise ValueError("more numbers than any recogniser has")
            tensors[output] = result
            if operation == "Add" and result.dim() == 4:
                sums[result.shape[-1]] = result
            for name in finished:
                del tensors[name]
        return tensors[self.output], tuple(sums.values())

    def _value(self, name: str, tensors: dict[str, Tensor], shapes_alone: bool) -> Tensor | None:
        if name in tensors:
            return tensors[name]
        if not name:
            return None
        weight = self.get_buffer(self.weights[name])
        return weight.to("meta") if shapes_alone and weight.is_floating_point() else weight


@dataclass(frozen=True)
class _Graph:
    """A network as its file describes it.

    nodes      (operation, inputs, output, attributes) of each, in the order in which they run
    constants  the weights by name
    """

    nodes: list[Node]
    constants: dict[str, Tensor]
    input: str
    output: str


def load_onnx(path: Path) -> Any:
    """The file's onnx.ModelProto, without data from other files. Raises GanfitError when the file holds none."""
    try:
        import onnx
    except ImportError as error:
        raise GanfitError('ArcFace needs the package onnx; run: pip install "ganfit_nb[arcface]"') from error
    with reading(path, "is no complete ONNX file; download the pack again.", MAXIMUM_BYTES):
        return onnx.load(path, format="protobuf", load_external_data=False)


def _load_graph(path: Path) -> _Graph:
    """The graph's nodes and weights. Raises GanfitError when this module cannot run the graph."""
    graph = load_onnx(path).graph
    with reading(path, "holds no network with weights; give a pack's recognition network."):
        if len(graph.node) > NODES:
            raise ValueError("too many nodes")
        constants = {tensor.name: _constant(tensor, path) for tensor in graph.initializer}
        nodes: list[Node] = []
        for node in graph.node:
            attributes = {stored.name: _attribute(stored, path) for stored in node.attribute}
            if node.op_type == "Constant":
                constants[node.output[0]] = attributes["value"]
            else:
                nodes.append((node.op_type, list(node.input), node.output[0], attributes))
        picture = next(value.name for value in graph.input if value.name not in constants)
        outputs = [output for _, _, output, _ in nodes]
        if not all(outputs) or len({picture, *constants, *outputs}) != 1 + len(constants) + len(outputs):
            raise ValueError("two values of one name")
        if unknown := sorted({operation for operation, *_ in nodes} - OPERATIONS.keys()):
            raise GanfitError(f"{path} uses {unknown[0][:40]!r}, which no known recogniser does; give a pack's own.")
        return _Graph(nodes, constants, picture, graph.output[0].name)


def _attribute(stored: Any, path: Path) -> Any:
    """The value of an attribute. Raises ValueError for a kind that no operation here has, such as another graph."""
    from onnx import AttributeProto, helper

    if stored.type == AttributeProto.TENSOR:
        return _constant(stored.t, path)
    if AttributeProto.AttributeType.Name(stored.type) not in ("FLOAT", "FLOATS", "INT", "INTS", "STRING"):
        raise ValueError("an unusual attribute")
    return helper.get_attribute_value(stored)


def _constant(stored: Any, path: Path) -> Tensor:
    """The numbers of a stored tensor.

    Raises GanfitError when they are in another file, because a graph must not choose the files that are read.
    """
    from onnx import TensorProto, numpy_helper

    if stored.data_location == TensorProto.EXTERNAL or stored.external_data:
        raise GanfitError(f"{path} keeps its weights in other files; give a network that holds them itself.")
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    if stored.data_type not in (*floats, TensorProto.INT32, TensorProto.INT64):
        raise ValueError("an unusual kind of numbers")
    tensor = torch.from_numpy(np.array(numpy_helper.to_array(stored)))
    if tensor.is_floating_point():
        return tensor.float()
    if tensor.numel() > INDICES:
        raise ValueError("more indices than any recogniser has")
    return tensor


def _finished(nodes: list[Node], kept: str) -> list[list[str]]:
    """For each node, the tensors that no later node reads. They are deleted after it, to save memory."""
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
    "Cast": lambda a, x: x,  # from or to half precision; everything is in single precision here
    # torch's exporter writes these for x.view(x.size(0), -1)
    "Shape": lambda a, x: torch.tensor(x.shape, device="cpu" if x.is_meta else x.device),
    "Gather": lambda a, x, index: x.index_select(a.get("axis", 0), index.reshape(-1)).reshape(index.shape),
    "Unsqueeze": _unsqueeze,
    "Concat": lambda a, *xs: torch.cat(xs, a["axis"]),
}
