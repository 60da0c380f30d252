"""Converts Intel's face-reidentification-retail-0095 into the safetensors file that ganfit_nb ships.

    python tools/convert_face_reidentification.py NETWORK.xml [--out FILE] [--check FOLDER]

NETWORK.xml is the network in OpenVINO's format (IR), as the Open Model Zoo has it (Apache-2.0), with NETWORK.bin beside
it. `--check` compares the two on the faces in the photos of FOLDER; it needs `pip install openvino`.

In the IR every operation is a layer, and so is every constant. A constant's bytes lie in the .bin file.
"""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading
from ganfit_nb.networks.face_reidentification import Bottleneck, FaceReidentification, Gate

OUT = Path("ganfit_nb/assets/face_reidentification.safetensors")
MAXIMUM_BYTES = 2**24  # of either file; they have 0.3 and 2.2 MB
WITHOUT_WORK = ("Parameter", "Const", "Convert", "Result")


@dataclass(frozen=True)
class Operation:
    """A layer that computes: its kind, its window if it has one, and its constant input if it has one."""

    kind: str
    window: tuple[str | None, str | None]  # strides and paddings
    constant: Tensor | None


def read_operations(network: Path) -> list[Operation]:
    """The operations of an IR file in the order of the computation. GanfitError when the files are no such network."""
    otherwise = "is no network of OpenVINO's IR; download it again from the Open Model Zoo."
    with reading(network, otherwise, MAXIMUM_BYTES):
        root = ElementTree.parse(network).getroot()
        layers = {layer.attrib["id"]: layer for layer in root.iterfind("layers/layer")}
        inputs: dict[str, list[str]] = {}
        for edge in root.iterfind("edges/edge"):
            inputs.setdefault(edge.attrib["to-layer"], []).append(edge.attrib["from-layer"])
        weights = network.with_suffix(".bin")
        with reading(weights, otherwise, MAXIMUM_BYTES):
            data = weights.read_bytes()
            return [
                Operation(layer.attrib["type"], window_of(layer), constant_of(layers, inputs, name, data))
                for name, layer in layers.items()
                if layer.attrib["type"] not in WITHOUT_WORK
            ]


def window_of(layer: ElementTree.Element) -> tuple[str | None, str | None]:
    """Strides and paddings as the file writes them; both sides have the same padding in this network."""
    found = layer.find("data")
    return (None, None) if found is None else (found.get("strides"), found.get("pads_begin"))


def constant_of(
    layers: dict[str, ElementTree.Element], inputs: dict[str, list[str]], name: str, data: bytes
) -> Tensor | None:
    """The constant among a layer's inputs. It is stored in half precision and reaches the layer by a Convert."""
    for source in inputs[name]:
        if layers[source].attrib["type"] == "Convert":
            stored = layers[inputs[source][0]].find("data")
            assert stored is not None
            if stored.attrib["element_type"] != "f16":
                raise ValueError("a constant is not in half precision")
            shape = [int(side) for side in stored.attrib["shape"].split(",") if side.strip()]
            offset, size = int(stored.attrib["offset"]), int(stored.attrib["size"])
            values = np.frombuffer(data[offset : offset + size], "<f2").reshape(shape)
            return torch.from_numpy(values.copy())
    return None


def expected(module: nn.Module) -> Iterator[nn.Module | str]:
    """The operations of the torch network in the order of the computation: modules, or the kind of what has none."""
    children = list(module.children())
    if not children:
        yield module
    for child in children:
        yield from expected(child)
    if isinstance(module, Gate):
        yield "Multiply"
    if isinstance(module, Bottleneck) and module.has_shortcut:
        yield "Add"


class Reader:
    """Takes one operation after the other, each of the kind that is expected."""

    def __init__(self, operations: list[Operation]):
        self.rest = iter(operations)

    def take(self, kind: str, window: tuple[str | None, str | None] | None = None) -> Tensor | None:
        """The constant of the next operation. GanfitError when it is another operation."""
        operation = next(self.rest, None)
        if operation is None or operation.kind != kind or (window and operation.window != window):
            raise GanfitError(f"The file is another network: {kind} is expected, and {operation} found.")
        return operation.constant

    def constant(self, kind: str, like: Tensor, window: tuple[str | None, str | None] | None = None) -> Tensor:
        """The same in the shape of a tensor. GanfitError when it has another number of elements."""
        found = self.take(kind, window)
        if found is None or found.numel() != like.numel():
            raise GanfitError(f"The file is another network: {kind} has no constant of the shape {tuple(like.shape)}.")
        return found.reshape(like.shape)


def convert(operations: list[Operation]) -> dict[str, Tensor]:
    """The state dict of `FaceReidentification` in half precision. The IR takes BGR, ours takes RGB."""
    network, reader = FaceReidentification().half(), Reader(operations)
    network.scale.copy_(reader.constant("Multiply", network.scale).flip(1))
    network.shift.copy_(reader.constant("Add", network.shift).flip(1))
    with torch.no_grad():
        for part in expected(network.layers):
            if isinstance(part, str):
                reader.take(part)
            elif isinstance(part, nn.PReLU):
                part.weight.copy_(reader.constant("PReLU", part.weight))
            elif isinstance(part, nn.Conv2d):
                kind = "GroupConvolution" if part.groups > 1 else "Convolution"
                window = (f"{part.stride[0]}, {part.stride[1]}", f"{part.padding[0]}, {part.padding[1]}")
                part.weight.copy_(reader.constant(kind, part.weight, window))
                if part.bias is not None:
                    part.bias.copy_(reader.constant("Add", part.bias))
            else:
                reader.take("Sigmoid" if isinstance(part, nn.Sigmoid) else "AvgPool")
        stem = network.layers[0]
        assert isinstance(stem, nn.Conv2d)
        stem.weight.copy_(stem.weight.flip(1))
    if next(reader.rest, None) is not None:
        raise GanfitError("The file is another network: it has more operations.")
    return network.state_dict()


def check(network: Path, converted: Path, folder: Path) -> None:
    """Prints by how much the unit embeddings of the two differ on the faces of a folder."""
    import openvino

    from ganfit_nb.photos.photo import Photo
    from ganfit_nb.photos.photo_files import photos_in
    from ganfit_nb.results.judge import Judge

    precise = {"INFERENCE_PRECISION_HINT": "f32"}  # the default is bfloat16 where the processor has it
    theirs, ours = openvino.Core().compile_model(network, "CPU", precise), FaceReidentification.load(converted)
    differences = []
    for path in photos_in(folder):
        try:
            crop = Judge.independent().crop(Photo.open(path))
        except GanfitError as error:
            print(error, file=sys.stderr)
            continue
        if crop is None:
            continue
        expected = torch.from_numpy(theirs(255 * crop.flip(0)[None].numpy())[0].reshape(1, -1))
        pair = torch.nn.functional.normalize(torch.cat([expected, ours(crop[None])]), dim=1)
        differences.append((pair[0] - pair[1]).abs().max())
    found = torch.stack(differences)
    print(f"{len(found)} faces: largest difference of a unit embedding {found.max():.2e}, mean {found.mean():.2e}")


def main() -> None:
    """Convert the file, and compare if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="photos to compare the two on")
    arguments = parser.parse_args()
    save_file(convert(read_operations(arguments.network)), arguments.out)
    if arguments.check:
        check(arguments.network, arguments.out, arguments.check)


if __name__ == "__main__":
    main()
