"""Converts MediaPipe's networks and its canonical face mesh into the assets that ganfit_nb ships.

    python tools/convert_mediapipe.py PACKAGE [--out ganfit_nb/assets]
    python tools/convert_mediapipe.py hair_segmentation.tflite [--out ganfit_nb/assets]

PACKAGE is the npm package @mediapipe/face_mesh 0.4.1657299874 (Apache-2.0), as the .tgz or unpacked. It gives
face_detection.safetensors (BlazeFace short range: Bazarevsky et al. 2019), face_mesh.safetensors (478 points:
Grishchenko et al. 2020, "Attention Mesh") and canonical_face_mesh.safetensors. hair_segmentation.tflite (Apache-2.0,
Tkachenka et al. 2019) is a file of MediaPipe's own asset list, https://storage.googleapis.com/mediapipe-assets. It
gives hair_segmentation.safetensors. Needs the `build` extra.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from tflite_reader import Reader

NETWORKS = {
    "face_detection_short_range.tflite": "face_detection.safetensors",
    "face_landmark_with_attention.tflite": "face_mesh.safetensors",
    "hair_segmentation.tflite": "hair_segmentation.safetensors",
}
HALVED_ERROR = 2.0**-11  # of a weight, relative: half precision rounds the hair segmentation's, and no others
HALVED_SMALL = 2.0**-24  # absolute, of the smallest ones
GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"
MM_PER_CM = 10.0


def packed_files(package: Path) -> dict[str, bytes]:
    """The files inside the package's data file, by their base names."""

    def read(name: str) -> bytes:
        if package.is_dir():
            return (package / name).read_bytes()
        with tarfile.open(package) as archive:
            member = archive.extractfile(f"package/{name}")
            assert member is not None
            return member.read()

    loader = read("face_mesh_solution_packed_assets_loader.js").decode()
    data = read("face_mesh_solution_packed_assets.data")
    listing = re.search(r"loadPackage\((\{.*\})\)", loader)
    assert listing is not None
    files = json.loads(listing.group(1))["files"]
    return {file["filename"].split("/")[-1]: data[file["start"] : file["end"]] for file in files}


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A protobuf variable-length integer and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position


def fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The (number, value) fields of a protobuf message, nested messages as bytes."""
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = varint(data, position)
            yield number, value
        elif wire == 5:
            yield number, struct.unpack_from("<f", data, position)[0]
            position += 4
        elif wire == 2:
            length, position = varint(data, position)
            yield number, data[position : position + length]
            position += length
        else:
            raise ValueError(f"unknown protobuf wire type {wire}")


def canonical_face_mesh(data: bytes) -> dict[str, torch.Tensor]:
    """MediaPipe's GeometryPipelineMetadata: the mesh (field 1: vertex buffer 3, index buffer 4) and the weights (2).

    The vertex buffer holds x, y, z, u, v. Its frame is ours up to the unit: +x image right, +y up, +z to the viewer.
    """
    numbers: list[float] = []
    indices: list[int] = []
    weights = torch.zeros(468)
    for number, message in fields(data):
        if number == 1 and isinstance(message, bytes):
            mesh = list(fields(message))
            numbers = [value for part, value in mesh if part == 3 and isinstance(value, float)]
            indices = [value for part, value in mesh if part == 4 and isinstance(value, int)]
        elif number == 2 and isinstance(message, bytes):
            point = dict(fields(message))
            weights[int(point[1])] = float(point[2])
    vertices = torch.tensor(numbers).view(468, 5)
    return {
        "vertices": vertices[:, :3].mul(MM_PER_CM).contiguous(),  # (468, 3) mm
        "faces": torch.tensor(indices).view(898, 3),  # counter-clockwise seen from outside
        "uv": vertices[:, 3:].contiguous(),  # (468, 2), v down
        "procrustes_weights": weights,  # (468,), zero for all but 33 points
    }


def write_network(data: bytes, target: Path) -> None:
    """Writes a network with weights of half precision."""
    network = Reader(data)
    halves = {name: weight.half() for name, weight in network.weights.items()}
    for name, weight in network.weights.items():
        torch.testing.assert_close(halves[name].float(), weight, rtol=HALVED_ERROR, atol=HALVED_SMALL, msg=name)
    save_file(halves, target, {"graph": json.dumps(network.graph)})
    weights = sum(weight.numel() for weight in halves.values())
    print(f"{target.name}: {len(network.graph['operations'])} operations, {weights} weights")


def main() -> None:
    """Convert everything that the source holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="PACKAGE or FILE.tflite")
    parser.add_argument("--out", type=Path, default=Path("ganfit_nb/assets"))
    arguments = parser.parse_args()
    source: Path = arguments.source
    files = {source.name: source.read_bytes()} if source.suffix == ".tflite" else packed_files(source)
    if GEOMETRY in files:
        save_file(canonical_face_mesh(files[GEOMETRY]), arguments.out / "canonical_face_mesh.safetensors")
    for name, target in NETWORKS.items():
        if name in files:
            write_network(files[name], arguments.out / target)


if __name__ == "__main__":
    main()
