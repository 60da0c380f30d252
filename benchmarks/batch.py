"""Many faces in one program: time, launches, waits and memory, by the number of faces.

    python benchmarks/batch.py [--faces 1 8 64] [--size 256] [--steps 100] [--device cuda]

The bundled portrait is fitted by so many people at once. `faces/min` is of whole joint stages; photos are read and
results are written by other processes meanwhile. `s/step` is of the fine steps. On CUDA the profiler counts the kernels
that a step launches, and how often the processor waits for the GPU.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from itertools import islice

import torch

from ganfit_nb import FaceModel, FitConfig, Photo, SetStep, fit_people
from ganfit_nb.assets import asset_path
from ganfit_nb.fitting.stages import align_set

LAST = 20  # steps, of which the time of a step is taken
PROFILED = 2
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


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
    """Kernels launched and waits of a step."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        list(islice(run, PROFILED))
    counts = {event.key: event.count for event in profile.key_averages()}
    launches = sum(count for name, count in counts.items() if name.startswith("cudaLaunchKernel"))
    return launches / PROFILED, sum(counts.get(name, 0) for name in WAITS) / PROFILED


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
    print("faces   s/step   faces/min   launches   waits   peak MB")
    for count in options.faces:
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        times = timed(joint(photo, model, config, count))
        rate, step = 60 * count / sum(times), statistics.median(times[-LAST:])
        line = f"{count:5d}   {step:6.3f}   {rate:9.1f}"
        if cuda:
            peak = torch.cuda.max_memory_allocated() / 2**20
            few = FitConfig(steps=10, size=options.size, device=options.device)
            launches, waits = profiled(islice(joint(photo, model, few, count), 5, None))
            line += f"   {launches:8.0f}   {waits:5.0f}   {peak:7.0f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
