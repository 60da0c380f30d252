"""Converts dlib's face recogniser into the safetensors file that ganfit_nb ships.

    python tools/convert_dlib.py [dlib_face_recognition_resnet_model_v1.dat] [--out FILE]

Without a file it is taken from the installed package `face-recognition-models` (which is found, not imported: importing
it needs pkg_resources). The weights are in the public domain (CC0, by dlib's author).

dlib stores a network as: the loss layer, the version numbers of all layers from the output inwards, the input layer,
every layer's own record from the input outwards.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ganfit_nb.networks.dlib_resnet import MEAN, DlibResNet

FILE = "dlib_face_recognition_resnet_model_v1.dat"


class DlibStream:
    """dlib's serialisation of numbers, strings and tensors."""

    def __init__(self, data: bytes):
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self.position += count
        return self.data[self.position - count : self.position]

    def integer(self) -> int:
        """A control byte (sign, length) and that many bytes."""
        control = self.take(1)[0]
        if control & 0x70 or control & 0x0F > 8:
            raise ValueError(f"not a dlib integer at byte {self.position - 1}")
        value = int.from_bytes(self.take(control & 0x0F), "little")
        return -value if control & 0x80 else value

    def integers(self, count: int) -> list[int]:
        """Several integers."""
        return [self.integer() for _ in range(count)]

    def real(self) -> float:
        """Mantissa and exponent."""
        mantissa, exponent = self.integers(2)
        return math.ldexp(mantissa, exponent) if exponent < 32000 else math.nan

    def reals(self, count: int) -> list[float]:
        """Several reals."""
        return [self.real() for _ in range(count)]

    def string(self) -> str:
        """Length and characters."""
        return self.take(self.integer()).decode("latin1")

    def tensor(self) -> np.ndarray:
        """Version, four sizes and little-endian floats; flat."""
        if self.integer() != 2:
            raise ValueError("unexpected tensor version")
        count = math.prod(self.integers(4))
        return np.frombuffer(self.take(4 * count), "<f4")

    def alias(self) -> tuple[int, ...]:
        """The shape of a view into a layer's parameters."""
        if self.integer() != 1:
            raise ValueError("unexpected alias_tensor version")
        return tuple(self.integers(4))


def read_layer(stream: DlibStream) -> dict[str, Any]:
    """The next layer's record."""
    name = stream.string()
    if name.startswith("con_"):
        parameters = stream.tensor()
        stream.integer()  # number of filters
        window = stream.integers(6)  # rows, columns, strides, paddings
        weight, bias = stream.alias(), stream.alias()
        stream.reals(4)  # learning-rate and weight-decay multipliers
        stream.take((name >= "con_5") + (name >= "con_6"))  # flags
        split = math.prod(weight)
        return {
            "kind": "convolution",
            "weight": parameters[:split].reshape(weight),
            "bias": parameters[split : split + math.prod(bias)],
            "stride": window[2],
            "padding": window[4],
        }
    if name.startswith("affine_"):
        parameters = stream.tensor()
        gamma, beta = stream.alias(), stream.alias()
        stream.integer()  # mode
        stream.take(name >= "affine_2")
        split = math.prod(gamma)
        return {"kind": "affine", "gamma": parameters[:split], "beta": parameters[split : split + math.prod(beta)]}
    if name.startswith("fc_"):
        outputs, inputs = stream.integers(2)
        parameters = stream.tensor()
        weight, _ = stream.alias(), stream.alias()
        stream.integer()  # bias mode
        stream.reals(4)
        stream.take(name >= "fc_3")
        return {"kind": "linear", "weight": parameters[: math.prod(weight)].reshape(inputs, outputs)}
    if name.startswith(("max_pool", "avg_pool")):
        stream.integers(6)
    elif name.startswith("relu_"):
        stream.take(name == "relu_2")
    elif not name.startswith("add_prev"):
        raise ValueError(f"unknown dlib layer {name!r} at byte {stream.position}")
    return {"kind": name}


def read_network(data: bytes) -> list[dict[str, Any]]:
    """The layers of a loss_metric network over an RGB image, from the input outwards."""
    stream = DlibStream(data)
    if stream.integer() != 1 or not stream.string().startswith("loss_metric"):
        raise ValueError("not a dlib loss_metric network")
    stream.reals(2)  # margin and distance threshold
    versions = []
    while stream.data[stream.position] == 1 and stream.data[stream.position + 1] <= 3:  # one-byte integers
        versions.append(stream.integer())
    if stream.string() != "input_rgb_image_sized" or not np.allclose(stream.reals(3), MEAN):
        raise ValueError("unexpected input layer")
    stream.integers(2)  # image size
    layers = []
    for number, version in enumerate(reversed(versions)):
        if version == 1:  # tag and skip layers store nothing else
            continue
        layers.append(read_layer(stream))
        stream.take(3)  # flags
        for _ in range(3):  # gradients and cached output
            stream.tensor()
        if number == 0 and version >= 3:
            stream.integer()  # sample expansion factor
    if stream.position != len(data):
        raise ValueError(f"{len(data) - stream.position} bytes left over")
    return layers


def convert(data: bytes) -> dict[str, Tensor]:
    """The state dict of `DlibResNet`: every affine layer γ·(w∗x + b) + β folded into its convolution."""
    layers = read_network(data)
    convolutions = [layer for layer in layers if layer["kind"] == "convolution"]
    affines = [layer for layer in layers if layer["kind"] == "affine"]
    (linear,) = (layer for layer in layers if layer["kind"] == "linear")
    network = DlibResNet()
    modules = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        for module, layer, affine in zip(modules, convolutions, affines, strict=True):
            if module.stride[0] != layer["stride"] or module.padding[0] != layer["padding"]:
                raise ValueError("the network is not the expected ResNet")
            gamma = torch.from_numpy(affine["gamma"].copy())
            module.weight.copy_(torch.from_numpy(layer["weight"].copy()) * gamma[:, None, None, None])
            assert module.bias is not None
            module.bias.copy_(torch.from_numpy(layer["bias"] * affine["gamma"] + affine["beta"]))
        network.embedding.weight.copy_(torch.from_numpy(linear["weight"].T.copy()))
    return {name: weight.half() for name, weight in network.state_dict().items()}


def installed_file() -> Path:
    """The recogniser inside the installed package."""
    found = importlib.util.find_spec("face_recognition_models")
    if found is None or found.origin is None:
        raise SystemExit("Install face-recognition-models, or name the .dat file.")
    return Path(found.origin).parent / "models" / FILE


def main() -> None:
    """Convert the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("ganfit_nb/assets/dlib_resnet.safetensors"))
    arguments = parser.parse_args()
    save_file(convert((arguments.file or installed_file()).read_bytes()), arguments.out)


if __name__ == "__main__":
    main()
