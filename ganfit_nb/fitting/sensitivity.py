"""How the picture and the losses answer to each of the ~700 numbers, and to each vertex: by derivative, and measured.

A picture has 3·H·W numbers and one parameter moves all of them. Reverse mode, which a fit uses, would need a pass for
every pixel; *forward mode* carries one direction through the renderer and gives the whole picture of derivatives in one
pass, about what two renderings cost. A loss is one number and the mesh has 30,000: there reverse mode is right.

The measured ones are central differences of the same function. They agree where the function is smooth; where they do
not, at outlines without antialiasing above all, one sees what a gradient does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import forward_ad

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.objective import Objective
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.renderer import render, vertex_normals
from ganfit_nb.renderer.rasterize import forward_mode

FADE = 12.0  # mm over which one patch gives way to the next
PUSH = 0.003  # mm by which a patch is moved to measure a loss's answer; at 0.03 the nose jumps a pixel and lips cross


def along(parameters: FaceParameters, group: str, index: int) -> FaceParameters:
    """The direction in which one number of one group grows by 1; GanfitError when there is no such number."""
    values = dict(parameters.items()).get(group)
    if values is None or not 0 <= index < len(values):
        raise GanfitError(
            f"There is no number {index} of {group}; groups are identity, expression, texture, camera, light."
        )
    zero = parameters.map(torch.zeros_like)
    return zero.replace(**{group: torch.eye(len(values))[index].to(values)})


@torch.no_grad()
def picture_derivative(
    model: FaceModel, parameters: FaceParameters, direction: FaceParameters, size: int, *, antialias: bool = True
) -> Float[Tensor, "size size 3"]:
    """d I^R / dt at `parameters` + t · `direction` (Eq. 6), by forward mode."""
    with forward_ad.dual_level(), forward_mode():
        moving = [
            forward_ad.make_dual(value, way) if way.any() else value  # what stands still costs nothing
            for (_, value), (_, way) in zip(parameters.items(), direction.items(), strict=True)
        ]
        moved = picture(model, FaceParameters(*moving), size, antialias=antialias)
        tangent = forward_ad.unpack_dual(moved).tangent
        return torch.zeros_like(moved) if tangent is None else tangent.clone()


@torch.no_grad()
def picture_difference(
    model: FaceModel,
    parameters: FaceParameters,
    direction: FaceParameters,
    size: int,
    step: float,
    *,
    antialias: bool = True,
) -> Float[Tensor, "size size 3"]:
    """The same measured: (I^R(+step) − I^R(−step)) / (2 step)."""

    def moved(t: float) -> Tensor:
        groups = zip(parameters.items(), direction.items(), strict=True)
        return picture(model, FaceParameters(*(p + t * d for (_, p), (_, d) in groups)), size, antialias=antialias)

    return (moved(step) - moved(-step)) / (2 * step)


def picture(
    model: FaceModel, parameters: FaceParameters, size: int, *, antialias: bool = True
) -> Float[Tensor, "size size 3"]:
    """I^R of Eq. 6, whose outlines may be left jagged."""
    mesh, albedo = model.morphable, model.texture(parameters.texture)
    vertices = model.vertices(parameters)
    return render(
        vertices, mesh.faces, mesh.uv, albedo, parameters.camera, parameters.light, size, antialias=antialias
    ).image


def vertex_gradient(objective: Objective, parameters: FaceParameters, weights: LossWeights) -> Float[Tensor, "V 3"]:
    """d E / d vertex: what Eq. 12 gains per mm that a vertex moves along x, y, z.

    The mean enters S = mean + U_s p_s + U_e p_e (Eq. 2) with factor one, so it takes the vertices' place as the leaf.
    """
    offset = torch.zeros_like(objective.model.morphable.mean).requires_grad_()
    total = _total(_moved(objective, offset), parameters, weights)
    return torch.autograd.grad(total, offset)[0] if total.requires_grad else offset.detach()


def _total(objective: Objective, parameters: FaceParameters, weights: LossWeights) -> Float[Tensor, ""]:
    """Σ λ L (Eq. 12) of the objective's one photo."""
    return objective.evaluate(objective.views.together([parameters]), weights, 0).totals.sum()


def _moved(objective: Objective, offset: Float[Tensor, "V 3"]) -> Objective:
    """The objective of the face with every vertex moved (mm)."""
    mesh = objective.model.morphable
    return replace(objective, model=replace(objective.model, morphable=replace(mesh, mean=mesh.mean + offset)))


@dataclass(frozen=True)
class Patches:
    """The face proper divided among patches that fade into each other, and the way out of the face at every vertex.

    share   (V, P) how far each vertex belongs to each patch: sums to 1 on the face, 0 elsewhere
    normal  (V, 3) unit normals
    """

    share: Float[Tensor, "V P"]
    normal: Float[Tensor, "V 3"]

    @classmethod
    def of(cls, model: FaceModel, parameters: FaceParameters, count: int) -> Patches:
        """Patches around `count` points that lie as far from each other as can be (farthest-point sampling)."""
        vertices = model.vertices(parameters).detach()
        face = model.morphable.face_region.nonzero().flatten()
        points, chosen = vertices[face], [int(vertices[face][:, 2].argmax())]
        distance = (points - points[chosen[0]]).norm(dim=1)
        for _ in range(count - 1):
            chosen.append(int(distance.argmax()))
            distance = torch.minimum(distance, (points - points[chosen[-1]]).norm(dim=1))
        share = torch.zeros(len(vertices), count)
        share[face] = (-(torch.cdist(points, points[chosen]) / FADE).square()).softmax(1)
        return cls(share, torch.nn.functional.normalize(vertex_normals(vertices, model.morphable.faces), dim=1))

    @property
    def count(self) -> int:
        """How many patches there are."""
        return self.share.shape[1]

    def pushed(self, patch: int) -> Float[Tensor, "V 3"]:
        """One patch moved outwards by 1 mm."""
        return self.normal * self.share[:, patch, None]

    def derivatives(self, gradient: Float[Tensor, "V 3"]) -> Float[Tensor, " P"]:
        """What a loss gains per mm that each patch is pushed out, from its gradient at the vertices."""
        return (gradient * self.normal).sum(1) @ self.share

    def on_vertices(self, values: Float[Tensor, " P"]) -> Float[Tensor, " V"]:
        """Each patch's value at its vertices, 0 outside the face."""
        return self.share @ values

    def differences(
        self, objective: Objective, parameters: FaceParameters, weights: LossWeights
    ) -> Iterator[tuple[int, float]]:
        """`derivatives` measured by pushing one patch after the other out and in: (patch, loss per mm).

        They differ where a loss jumps, or rests on something that its gradient takes as fixed: which pixels count in
        Eq. 10, which vertex is the outline of the jaw.
        """
        for patch in range(self.count):
            with torch.no_grad():
                out, back = (
                    _total(_moved(objective, sign * PUSH * self.pushed(patch)), parameters, weights) for sign in (1, -1)
                )
            yield patch, float((out - back) / (2 * PUSH))
