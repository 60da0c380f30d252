"""Many faces in one program: time, launches, waits and memory, by the number of faces.

    python benchmarks/batch.py [--faces 1 8 64] [--size 256] [--steps 100] [--device cuda]

The bundled portrait is fitted by so many people at once. `faces/min` is of whole joint stages; photos are read and
results are written by other processes meanwhile. `s/step` is of the fine steps. `launches` are the operators that a
step starts on the GPU, and `waits` those that the processor waits for; with --device cpu a pretended GPU tells them.
On CUDA `kernels` and `syncs` are what the profiler finds that these come to.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

import torch

from ganfit_nb import FaceModel, FitConfig, Photo, SetStep, fit_people
from ganfit_nb.assets import asset_path
from ganfit_nb.fitting.stages import align_set

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from pretended_gpu import Operators, pretended_gpu

LAST = 20  # steps, of which the time of a step is taken
PROFILED = 2
SMALL = 32  # px
SYNCS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


def joint(photo: Photo, model: FaceModel, config: FitConfig, count: int) -> Iterator[tuple[SetStep, ...]]:
    """The joint stage of so many people, all of whom look alike."""
    *_, aligned = align_set([photo], model, config)
    return fit_people([[photo]] * count, model, config, starts=[aligned] * count)


def timed(run: Iterator[tuple[SetStep, ...]]) -> list[float]:
    """Seconds of every step."""
    times, start = [], time.perf_counter()
    for _ in run:
        times.append(time.perf_counter() - start)
        start = time.perf_counter()
    return times


def profiled(run: Iterator[tuple[SetStep, ...]]) -> tuple[float, float]:
    """Kernels launched and synchronisations of a step."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        list(islice(run, PROFILED))
    counts = {event.key: event.count for event in profile.key_averages()}
    launches = sum(count for name, count in counts.items() if name.startswith("cudaLaunchKernel"))
    return launches / PROFILED, sum(counts.get(name, 0) for name in SYNCS) / PROFILED


def counted(photo: Photo, model: FaceModel, count: int, cuda: bool) -> Operators:
    """The operators of a step in small pictures: their number does not depend on the size."""
    config = FitConfig(steps=3, size=SMALL, device="cuda" if cuda else "cpu")
    with nullcontext(config.device) if cuda else pretended_gpu() as device:
        object.__setattr__(config, "device", device)  # FitConfig knows none that is pretended
        run = islice(joint(photo, model, config, count), 2, None)  # the first steps compute what is kept
        next(run)
        with Operators() as operators:
            next(run)
    return operators


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    options = parser.parse_args()
    config = FitConfig(steps=options.steps, size=options.size, device=options.device)
    photo, model, cuda = Photo.open(asset_path("astronaut.png")), FaceModel.default(), options.device == "cuda"
    list(joint(photo, model, FitConfig(steps=2, size=options.size, device=options.device), 1))  # compiles, loads
    print("faces   s/step   faces/min   launches   waits" + "   kernels   syncs   peak MB" * cuda)
    for count in options.faces:
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        times = timed(joint(photo, model, config, count))
        peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else 0.0
        rate, step = 60 * count / sum(times), statistics.median(times[-LAST:])
        operators = counted(photo, model, count, cuda)
        line = f"{count:5d}   {step:6.3f}   {rate:9.1f}   {operators.launches:8d}   {operators.waits.total():5d}"
        if cuda:
            few = FitConfig(steps=10, size=options.size, device=options.device)
            kernels, syncs = profiled(islice(joint(photo, model, few, count), 5, None))
            line += f"   {kernels:7.0f}   {syncs:5.0f}   {peak:7.0f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
