"""Forward + backward of the whole renderer against its plain-torch oracle and, when installed, DEODR, in one run:
python benchmarks/renderer.py [--rounds N]

DEODR (pip install --no-deps deodr) does less here: it draws vertex colours that are already shaded, in one thread. The
renderers take turns, so that other processes disturb them alike: trust the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from ganfit_nb.renderer import render
from ganfit_nb.renderer.camera import frontal_camera, project
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_nb.results.result import peak_memory_mb

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from meshes import egg, smooth_texture


def ours(subdivisions: int, size: int, compiled: bool) -> Callable[[], None]:
    vertices, faces, uv = egg(subdivisions)
    inputs = [t.requires_grad_() for t in (vertices, smooth_texture(512), frontal_camera(), frontal_light())]

    def step() -> None:
        with patch.object(sys.modules["ganfit_nb.renderer.rasterize"], "_COMPILED", compiled):
            image = render(inputs[0], faces, uv, *inputs[1:], size).image
            torch.autograd.grad(image.square().sum(), inputs)

    return step


def deodr(subdivisions: int, size: int) -> Callable[[], None] | None:
    try:
        from deodr.differentiable_renderer import Scene2D
        from deodr.triangulated_mesh import TriMesh
    except ImportError:
        return None
    vertices, faces, _ = egg(subdivisions, torch.float64)
    screen, triangles = project(vertices, frontal_camera().double(), size).numpy(), faces.numpy().astype(np.uint32)
    mesh = TriMesh(triangles, vertices.numpy())
    count, points = len(faces), len(vertices)
    scene = Scene2D(
        faces=triangles,
        faces_uv=triangles,
        ij=np.ascontiguousarray(screen[:, :2]),
        depths=np.ascontiguousarray(screen[:, 2]),
        textured=np.zeros(count, dtype=bool),
        uv=np.zeros((points, 2)),
        shade=np.zeros(points),
        colors=np.full((points, 3), 0.7),
        shaded=np.zeros(count, dtype=bool),
        edgeflags=mesh.edge_on_silhouette(screen[:, :2]),
        height=size,
        width=size,
        nb_colors=3,
        texture=np.zeros((0, 0)),
        background_image=np.full((size, size, 3), 0.5),
        clockwise=False,
        backface_culling=True,
        integer_pixel_centers=False,
    )

    def step() -> None:
        scene.edgeflags = mesh.edge_on_silhouette(scene.ij)
        scene.clear_gradients()
        image, _ = scene.render()
        scene.render_backward(2 * image)

    return step


def milliseconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    print(f"median ms, {torch.get_num_threads()} threads | ours | plain torch | DEODR (colour only)")
    for subdivisions, size in ((4, 256), (5, 256), (5, 512)):
        steps = [ours(subdivisions, size, True), ours(subdivisions, size, False), deodr(subdivisions, size)]
        times = [[milliseconds(step) for step in steps if step] for _ in range(rounds + 3)][3:]
        medians = [statistics.median(column) for column in zip(*times, strict=True)]
        cells = " | ".join(f"{t:.1f} ({t / medians[0]:.2f}×)" for t in medians)
        print(f"{20 * 4**subdivisions} faces, {size}² | {cells}")
    print(f"peak memory of the process: {peak_memory_mb():.0f} MB")


if __name__ == "__main__":
    main()
