"""Where the time of a step goes, and how far each part is from what the machine could do:

    python benchmarks/step.py [--size 256] [--rounds 10]

Every part is run forward and backward by itself, on one thread, as one photo's fit has it. Its floor is the larger of
two times: its multiplications and additions at the rate of a large matrix product, and the bytes of its inputs and
outputs, read once in each direction, at the rate of a large copy. Both rates are measured in the same run. A part far
above its floor is worth work; one near it can only be made smaller.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ganfit_nb import FaceModel, LossWeights, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.fitting.objective import Objective
from ganfit_nb.networks import IdentityNetwork

SIDE = 1024  # of the matrices that tell the rate of a product
COPIED = 2**26  # bytes that tell the rate of a copy


@dataclass(frozen=True)
class Part:
    """A differentiable part of a step: what it reads, and what it computes from that."""

    inputs: Sequence[Tensor]
    outputs: Callable[..., Tensor]

    def step(self) -> None:
        """Forward and backward."""
        inputs = [tensor.detach().requires_grad_(tensor.is_floating_point()) for tensor in self.inputs]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        torch.autograd.grad(self.outputs(*inputs).square().sum(), wanted, allow_unused=True)

    def floor(self, flops_per_second: float, bytes_per_second: float) -> float:
        """Seconds."""
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            output = self.outputs(*self.inputs)
        flops = 2 * counter.get_total_flops()  # backward as many as forward, for what is frozen needs no gradient
        tensors = [*self.inputs, output]
        moved = 2 * sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return max(flops / flops_per_second, moved / bytes_per_second)


def seconds(step: Callable[[], object], rounds: int) -> float:
    """The median time of a call."""
    step()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def parts_of(objective: Objective) -> dict[str, Part]:
    """The parts of a step at the mean face."""
    model, size = objective.model, objective.size
    face = objective.views.together([model.mean_parameters()])
    mesh = model.morphable
    bases = [mesh.identity_basis.flatten(1), mesh.expression_basis.flatten(1)]
    with torch.no_grad():
        vertices, albedo = model.vertices(face), model.texture(face.texture)
        picture = model.render_parts(vertices, albedo, face, size).image
        points = model.landmarks(vertices, face.camera, size)
        crops = objective.crop(picture, points)

    def shape(identity: Tensor, expression: Tensor, *bases: Tensor) -> Tensor:
        return mesh.vertices(identity, expression)

    def render(vertices: Tensor, albedo: Tensor, camera: Tensor, light: Tensor) -> Tensor:
        return model.render_parts(vertices, albedo, face.replace(camera=camera, light=light), size).image

    return {
        "shape": Part([face.identity, face.expression, *(basis.to(torch.float32) for basis in bases)], shape),
        "texture": Part([face.texture], model.texture),
        "rendering": Part([vertices, albedo, face.camera, face.light], render),
        "crop": Part([picture, points], objective.crop),
        "recogniser": Part([crops], lambda crops: objective.network.features(crops).embedding),
        "landmarks": Part([vertices, face.camera], objective._landmark),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    photo, network = Photo.open(asset_path("astronaut.png")), IdentityNetwork.default()
    objective = Objective.of([[photo]], FaceModel.default(), network, size=options.size)
    matrix, block, other = torch.randn(SIDE, SIDE), torch.zeros(COPIED // 4), torch.ones(COPIED // 4)
    product = 2 * SIDE**3 / seconds(lambda: matrix @ matrix, options.rounds)
    copy = 2 * COPIED / seconds(lambda: block.copy_(other), options.rounds)
    print(f"{product / 1e9:.0f} GFLOP/s, {copy / 1e9:.1f} GB/s; milliseconds at {options.size} px")
    for name, part in parts_of(objective).items():
        taken, floor = seconds(part.step, options.rounds), part.floor(product, copy)
        print(f"{name:12s} {1e3 * taken:8.1f}   floor {1e3 * floor:7.1f}   {taken / floor:5.1f} times", flush=True)

    def whole() -> None:
        face = objective.views.together([objective.model.mean_parameters()]).map(lambda v: v.requires_grad_())
        total = objective.evaluate(face, LossWeights(), 0).totals.sum()
        torch.autograd.grad(total, [value for _, value in face.items()])

    print(f"{'a whole step':12s} {1e3 * seconds(whole, options.rounds):8.1f}   with two renderings, crops and features")


if __name__ == "__main__":
    main()
