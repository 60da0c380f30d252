"""A first guess of the skin under the first guess of the light, from the photos' pixels and without a recogniser.

Where shape, camera and light are given, a picture of Eq. 6 is albedo · shading + highlight. The albedo is linear in p_t
for a linear texture model, and nearly so for the coarsest picture of the texture GAN. So the pixel term of Eq. 10 and
the prior of p_t are minimised together by iteratively reweighted least squares, |r| ≈ r² / (2 |r₀|) + |r₀| / 2, in
pictures so small that they show no more than the coarse albedo holds. Light and skin explain each other: they take
turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.face.texture import LocallyLinear
from ganfit_nb.fitting.first_light import first_light
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.skin_seen import SkinSeen
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo
from ganfit_nb.renderer import Rendering
from ganfit_nb.renderer.sample_uv import sample_uv

SIZE = 64  # px: a pixel is 4 mm of the face, about a texel of the coarse albedo
TURNS = 3
SMALLEST_RESIDUAL = 0.02  # display values; a pixel nearer to the photo than this counts no more
Weight = Callable[[FaceModel, Rendering], Float[Tensor, "size size"]]
LEAST_PRIOR = 0.01  # λ; without any, a mode that no pixel shows is undetermined


@torch.no_grad()
def first_appearance(
    photos: Sequence[Photo],
    model: FaceModel,
    parameters: Sequence[FaceParameters],
    weights: LossWeights,
    free: FreeGroups,
    occlusion: bool = True,
) -> list[FaceParameters]:
    """The parameters of every photo of one person with a p_l of its own and the p_t that they share, as far as they
    are free. Without a pixel term, or a texture model that is locally linear, p_t stays.

    `occlusion`: what hides the skin counts for nothing (`skin_seen.py`). Before a first light is known, only hair is.
    """
    device, faces = parameters[0].light.device, list(parameters)
    model, seen = model.seen_at(SIZE), [SkinSeen.of(photo.at(SIZE).to(device), occlusion) for photo in photos]
    skin = free.texture and weights.pixel > 0 and isinstance(model.texture, LocallyLinear)
    if free.light:
        faces = [_lit(s, model, face, s.visible) for s, face in zip(seen, faces, strict=True)]
    for _ in range(TURNS if skin else 1):
        if free.light:
            faces = [_lit(s, model, face, s.weight) for s, face in zip(seen, faces, strict=True)]
        if skin:
            texture = nearer_skin(seen, model, faces, weights)
            faces = [face.replace(texture=texture) for face in faces]
    return faces


def _lit(seen: SkinSeen, model: FaceModel, face: FaceParameters, weight: Weight) -> FaceParameters:
    """The face in the light that best explains what counts of a photo."""
    counts = weight(model, model.render(face, SIZE))
    return face.replace(light=first_light(seen.image, model, face, counts))


def nearer_skin(
    seen: Sequence[SkinSeen], model: FaceModel, parameters: Sequence[FaceParameters], weights: LossWeights
) -> Float[Tensor, " t"]:
    """p_t after one reweighted solve over all photos."""
    p_t = parameters[0].texture
    assert isinstance(model.texture, LocallyLinear)
    modes = model.texture.modes(p_t)
    found = [_normal_equations(s, model, p, modes) for s, p in zip(seen, parameters, strict=True)]
    curvature, descent = (weights.pixel * torch.stack(part).mean(0) for part in zip(*found, strict=True))
    prior = 2.0 * max(weights.texture_prior, LEAST_PRIOR) / len(p_t)
    curvature = curvature + prior * torch.eye(len(p_t)).to(curvature)
    return p_t + torch.linalg.solve(curvature, descent - prior * p_t)


def _normal_equations(
    seen: SkinSeen, model: FaceModel, parameters: FaceParameters, modes: Float[Tensor, "t h w 3"]
) -> tuple[Float[Tensor, "t t"], Float[Tensor, " t"]]:
    """Curvature and descent of the photo's mean absolute residual in p_t, reweighted."""
    rendering = model.render(parameters, SIZE)
    counts = seen.weight(model, rendering)
    some = counts > 0
    residual = (seen.image - rendering.image)[some].flatten()
    uv = rendering.interpolate(model.morphable.uv)[some]
    view = torch.zeros(len(uv), dtype=torch.long, device=uv.device)
    albedo = sample_uv(modes.permute(1, 2, 0, 3).flatten(2)[None], uv, view).view(len(uv), -1, 3)
    columns = (albedo * _shading(rendering, parameters.light)[some][:, None]).mT.flatten(0, 1)
    weight = counts[some].repeat_interleave(3) / residual.abs().clamp(min=SMALLEST_RESIDUAL)
    weighted = columns * weight[:, None] / (3 * counts.sum().clamp(min=1))
    return weighted.mT @ columns, weighted.mT @ residual


def _shading(rendering: Rendering, light: Float[Tensor, " 9"]) -> Float[Tensor, "H W 3"]:
    """What the picture gains where the albedo gains 1."""
    points = rendering.points
    black, white = (replace(points, albedo=torch.full_like(points.albedo, value)) for value in (0.0, 1.0))
    return rendering.picture(white.shaded(rendering.eye, light) - black.shaded(rendering.eye, light))[..., :3]
