"""Completes what photos show of a skin, by its mirror image and by the fitted texture, without seams.

The completed map u minimises a screened Poisson energy (Pérez et al. 2003; `poisson.py`), the sum over all texels of

    a w (f − u)² + (1 − w) ε (t − u)² + |∇u − v|².

f is the photos' colour, w its weight, and t the fitted texture. v is the gradient of the photo that sees a place best,
of its mirror image where only the other half of the face is seen, and of t where neither is. So the detail comes from
the photo, and what joins it takes on the photo's tone. ε keeps what is far from all that was seen at t.

The equations are solved in maps of at most SOLVED texels a side. What a larger map holds besides, its finest octave,
has no tone and needs no equations: it is added where it was seen (Burt & Adelson 1983).

Eyes look to one side, so they have no mirror image; and the photo's lids must not colour the eyeball behind them, so
its tone reaches less far there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ganfit_nb.own_skin.multigrid import Grid
from ganfit_nb.own_skin.poisson import minimum

SOLVED = 512  # texels, side of the largest map whose equations are solved; the fitted texture has no more
SCREEN = 0.05  # of the first term, for links of 1
FAR, FAR_IN_EYES = 0.15, 0.01  # of the map's side: as far as the photo's tone reaches


@dataclass(frozen=True)
class SeenMap:
    """What one photo shows of the skin without its light.

    colour  albedo
    weight  how far it is known, in [0, 1]
    """

    colour: Float[Tensor, "S S 3"]
    weight: Float[Tensor, "S S"]

    def mirrored(self, skin: Bool[Tensor, "S S"]) -> SeenMap:
        """The other half of the face in the place of this one, as far as it is skin."""
        return SeenMap(self.colour.flip(1), self.weight.flip(1) * skin)


def merged(maps: Sequence[SeenMap]) -> SeenMap:
    """The weighted mean of the colours, and the largest of the weights."""
    weights = torch.stack([one.weight for one in maps])
    total = weights.sum(0).clamp(min=1e-9)
    colour = sum((one.colour * (one.weight / total)[..., None] for one in maps), torch.zeros_like(maps[0].colour))
    return SeenMap(colour, weights.amax(0))


def complete(
    maps: Sequence[SeenMap],
    fitted: Float[Tensor, "S S 3"],
    covered: Bool[Tensor, "S S"],
    skin: Bool[Tensor, "S S"],
) -> Float[Tensor, "S S 3"]:
    """The completed map, in [0, 1].

    fitted   t
    covered  the texels that lie on the surface; those beside it continue what is next to them
    skin     those of them that are no eye and no mouth
    """
    if len(fitted) > SOLVED:
        return _with_finest_octave(maps, fitted, covered, skin)
    joined, size = merged(maps), len(fitted)
    screen = SCREEN * joined.weight
    far = (1 - joined.weight) * torch.where(skin, (FAR * size) ** -2, (FAR_IN_EYES * size) ** -2)
    right, down = torch.zeros_like(screen), torch.zeros_like(screen)
    right[:, :-1], down[:-1] = (covered[:, 1:] & covered[:, :-1]).float(), (covered[1:] & covered[:-1]).float()
    grid = Grid((screen + far) * covered, right, down)
    known = (screen / (screen + far).clamp(min=1e-12))[..., None] * (joined.colour - fitted)
    gradients = (_gradients(maps, fitted, skin, axis) for axis in (1, 0))
    difference = minimum(grid, known, gradients)
    return (fitted + _beyond(difference, covered)).clamp(0.0, 1.0)


def _with_finest_octave(
    maps: Sequence[SeenMap], fitted: Float[Tensor, "S S 3"], covered: Bool[Tensor, "S S"], skin: Bool[Tensor, "S S"]
) -> Float[Tensor, "S S 3"]:
    """The completed map of half the side, enlarged, and the detail of the best photo or of its mirror image."""
    halves = [SeenMap(_halved(one.colour), _halved(one.weight[..., None])[..., 0]) for one in maps]
    coarse = complete(halves, _halved(fitted), covered[::2, ::2], skin[::2, ::2])
    detail, known = torch.zeros_like(fitted), torch.zeros_like(fitted[..., :1])
    for one in maps:
        weight = one.weight[..., None]
        fine = _doubled(_halved(one.colour)).neg_().add_(one.colour).mul_(weight)  # in place: such maps are large
        detail, known = torch.where(weight > known, fine, detail), torch.maximum(weight, known)
    other = detail.flip(1).mul_(skin[..., None] * (1 - known))
    return _doubled(coarse).add_(detail).add_(other).clamp_(0.0, 1.0)


def _halved(values: Float[Tensor, "S S C"]) -> Float[Tensor, "s s C"]:
    return F.avg_pool2d(values.permute(2, 0, 1)[None], 2)[0].permute(1, 2, 0)


def _doubled(values: Float[Tensor, "s s C"]) -> Float[Tensor, "S S C"]:
    wide = F.interpolate(values.permute(2, 0, 1)[None], scale_factor=2.0, mode="bilinear", align_corners=False)
    return wide[0].permute(1, 2, 0)


def _gradients(
    maps: Sequence[SeenMap], fitted: Float[Tensor, "S S 3"], skin: Bool[Tensor, "S S"], axis: int
) -> Float[Tensor, "S S 3"]:
    """v − ∇t from every texel to the next one along an axis."""
    own, known = _best_gradient(maps, fitted, axis)
    other, known_other = _best_gradient([one.mirrored(skin) for one in maps], fitted, axis)
    return own * known + other * known_other * (1 - known)


def _best_gradient(
    maps: Sequence[SeenMap], fitted: Float[Tensor, "S S 3"], axis: int
) -> tuple[Float[Tensor, "S S 3"], Float[Tensor, "S S 1"]]:
    """∇(f − t) of the map that knows both texels of a link best, and how well it knows them."""
    best, known = torch.zeros_like(fitted), torch.zeros_like(fitted[..., :1])
    for one in maps:
        gradient = _step(one.colour - fitted, axis)
        weight = torch.minimum(one.weight, one.weight.roll(-1, axis))[..., None]
        best, known = torch.where(weight > known, gradient, best), torch.maximum(weight, known)
    return best, known


def _step(values: Float[Tensor, "S S 3"], axis: int) -> Float[Tensor, "S S 3"]:
    """The difference of the next texel along an axis from each. The last has no next one, and its link weighs 0."""
    return values.roll(-1, axis) - values


def _beyond(values: Float[Tensor, "S S 3"], covered: Bool[Tensor, "S S"]) -> Float[Tensor, "S S 3"]:
    """The values, continued beside the surface by the mean of the nearest ones (pull-push, Gortler et al. 1996)."""
    if bool(covered.all()) or len(values) % 2:
        return values
    share = _halved(covered[..., None].float())
    smooth = _beyond(_halved(values * covered[..., None]) / share.clamp(min=1e-6), share[..., 0] > 0)
    return torch.where(covered[..., None], values, _doubled(smooth))
