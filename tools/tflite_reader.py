"""Reads a TensorFlow Lite file into a small graph of torch operations and their weights.

Only what MediaPipe's networks for faces and hair use is known; anything else stops the conversion. Static facts are
resolved here (paddings, constants, slices that keep everything), so that `ganfit_nb/networks/tflite.py` stays a plain
interpreter.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tflite
import torch
from flatbuffers import flexbuffers

OPERATOR_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
TYPES = tflite.TensorType
DTYPES = {TYPES.FLOAT32: np.float32, TYPES.FLOAT16: np.float16, TYPES.INT32: np.int32}
ACTIVATIONS = {0: None, 1: "relu"}
SAME = tflite.Padding.SAME
CUSTOM_SAME = 1  # the same in the options of MediaPipe's own operations (TfLitePadding)


def same_padding(size: list[int], kernel: list[int], stride: list[int]) -> list[int]:
    """TensorFlow's SAME padding as (left, right, top, bottom): the odd pixel goes to the right and to the bottom."""
    totals = [max((math.ceil(n / s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, stride, strict=True)]
    height, width = totals
    return [width // 2, width - width // 2, height // 2, height - height // 2]


class Reader:
    """One .tflite file: `graph` (JSON-able) and `weights` (name -> tensor, in torch's layouts)."""

    def __init__(self, data: bytes):
        self.model = tflite.Model.GetRootAs(data, 0)
        self.subgraph = self.model.Subgraphs(0)
        self.constants = {i: c for i in range(self.subgraph.TensorsLength()) if (c := self._constant(i)) is not None}
        self.alias: dict[int, int] = {}  # outputs of operations that change nothing
        self.weights: dict[str, torch.Tensor] = {}
        operations = [self._operation(self.subgraph.Operators(k)) for k in range(self.subgraph.OperatorsLength())]
        outputs = {
            self.subgraph.Tensors(int(i)).Name().decode(): self._source(int(i)) for i in self.subgraph.OutputsAsNumpy()
        }
        self.graph = {
            "input": int(self.subgraph.Inputs(0)),
            "operations": [operation for operation in operations if operation],
            "outputs": outputs,
        }

    def _shape(self, tensor: int) -> list[int]:
        record = self.subgraph.Tensors(tensor)
        return [int(s) for s in record.ShapeAsNumpy()] if record.ShapeLength() else []

    def _constant(self, tensor: int) -> np.ndarray | None:
        record = self.subgraph.Tensors(tensor)
        buffer = self.model.Buffers(record.Buffer())
        if not buffer.DataLength():
            return None
        return np.frombuffer(buffer.DataAsNumpy().tobytes(), DTYPES[record.Type()]).reshape(self._shape(tensor))

    def _source(self, tensor: int) -> int:
        return self.alias.get(tensor, tensor)

    def _weight(self, tensor: int, value: np.ndarray) -> str:
        name = f"t{tensor}"
        self.weights[name] = torch.from_numpy(np.array(value, np.float32, order="C"))
        return name

    def _operation(self, record: Any) -> dict[str, Any] | None:
        code = self.model.OperatorCodes(record.OpcodeIndex())
        name = OPERATOR_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [int(i) for i in record.InputsAsNumpy()]
        output = int(record.Outputs(0))
        if name == "DEQUANTIZE":  # of fp16 constants only
            self.constants[output] = self.constants[inputs[0]].astype(np.float32)
            return None
        if name == "STRIDED_SLICE":  # only ones that keep everything
            assert self._shape(inputs[0]) == self._shape(output)
            self.alias[output] = self._source(inputs[0])
            return None
        name = code.CustomCode().decode() if name == "CUSTOM" else name
        describe = getattr(self, f"_{name.lower()}", None)
        described = describe(record, inputs, output) if describe else self._by_name(name, record)
        runtime_inputs = [self._source(i) for i in inputs if i not in self.constants]
        return {"inputs": runtime_inputs, "output": output, **described}

    @staticmethod
    def _by_name(name: str, record: Any) -> dict[str, Any]:
        """A custom operation whose options are a flexbuffer."""
        options = flexbuffers.Loads(bytes(record.CustomOptionsAsNumpy())) if record.CustomOptionsLength() else {}
        if "subset_idxs" in options:
            options["subset_idxs"] = np.ravel(options["subset_idxs"]).tolist()
        return {"op": name, "options": options}

    def _maxpoolingwithargmax2d(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        """The second output says where the maxima were. Only unpooling reads it, which finds them again in the map."""
        assert [2 * n for n in self._shape(output)[1:3]] == self._shape(inputs[0])[1:3]
        self.alias[int(record.Outputs(1))] = self._source(inputs[0])
        return {"op": "max_pool", "kernel": [2, 2], "stride": [2, 2]}

    def _maxunpooling2d(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        assert [2 * n for n in self._shape(inputs[0])[1:3]] == self._shape(output)[1:3]
        return {"op": "max_unpool", "kernel": [2, 2]}

    def _convolution2dtransposebias(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        padding, *stride = np.frombuffer(record.CustomOptionsAsNumpy().tobytes(), np.int32).tolist()
        assert padding == CUSTOM_SAME
        assert [n * s for n, s in zip(self._shape(inputs[0])[1:3], stride, strict=True)] == self._shape(output)[1:3]
        return {
            "op": "transposed_convolution",
            "weight": self._weight(inputs[1], self.constants[inputs[1]].transpose(3, 0, 1, 2)),  # OHWI -> IOHW
            "bias": self._weight(inputs[2], self.constants[inputs[2]]),
            "stride": stride,
        }

    @staticmethod
    def _options(record: Any, kind: Any) -> Any:
        options, table = kind(), record.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options

    def _conv_2d(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        weight = self.constants[inputs[1]].transpose(0, 3, 1, 2)  # OHWI -> OIHW
        return self._convolution(self._options(record, tflite.Conv2DOptions), weight, 1, inputs)

    def _depthwise_conv_2d(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        weight = self.constants[inputs[1]].transpose(3, 0, 1, 2)  # 1HWC -> C1HW
        return self._convolution(self._options(record, tflite.DepthwiseConv2DOptions), weight, len(weight), inputs)

    def _convolution(self, options: Any, weight: np.ndarray, groups: int, inputs: list[int]) -> dict[str, Any]:
        size, stride = self._shape(inputs[0])[1:3], [options.StrideH(), options.StrideW()]
        dilation = [options.DilationHFactor(), options.DilationWFactor()]
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
        return {
            "op": "convolution",
            "weight": self._weight(inputs[1], weight),
            "bias": self._weight(inputs[2], self.constants[inputs[2]]),
            "stride": stride,
            "groups": groups,
            **({"dilation": dilation} if dilation != [1, 1] else {}),
            "padding": same_padding(size, reach, stride) if options.Padding() == SAME else [0] * 4,
            "activation": ACTIVATIONS[options.FusedActivationFunction()],
        }

    def _max_pool_2d(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        options = self._options(record, tflite.Pool2DOptions)
        kernel, stride = [options.FilterHeight(), options.FilterWidth()], [options.StrideH(), options.StrideW()]
        assert ACTIVATIONS[options.FusedActivationFunction()] is None
        if options.Padding() == SAME:
            assert same_padding(self._shape(inputs[0])[1:3], kernel, stride) == [0] * 4
        return {"op": "max_pool", "kernel": kernel, "stride": stride}

    def _prelu(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        return {"op": "prelu", "weight": self._weight(inputs[1], self.constants[inputs[1]].reshape(-1))}

    def _pad(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        (_, _), height, width, channels = self.constants[inputs[1]].tolist()
        return {"op": "pad", "padding": [*width, *height, *channels]}

    def _reshape(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        return {"op": "reshape", "shape": self._shape(output)[1:]}

    def _concatenation(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        axis, rank = self._options(record, tflite.ConcatenationOptions).Axis(), len(self._shape(output))
        return {"op": "concatenate", "axis": [0, 2, 3, 1][axis % rank] if rank == 4 else axis}  # NHWC -> NCHW

    def _add(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        options = self._options(record, tflite.AddOptions)
        return {"op": "add", "activation": ACTIVATIONS[options.FusedActivationFunction()]}

    def _mul(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        assert len(self._shape(output)) == 3
        return {"op": "multiply", "factor": self._weight(inputs[1], self.constants[inputs[1]])}

    def _relu(self, record: Any, inputs: list[int], output: int) -> dict[str, Any]:
        return {"op": "relu"}
