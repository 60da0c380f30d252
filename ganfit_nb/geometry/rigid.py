"""Aligns corresponding points (Kabsch 1976), so that their distances do not depend on pose and, if wanted, on size."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def rigid_transform(source: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"]) -> tuple[Tensor, Tensor]:
    """(rotation (3, 3), translation (3,)) with source @ rotation.T + translation closest to target in least squares."""
    a, b = source.mean(0), target.mean(0)
    u, _, vt = torch.linalg.svd((target - b).T @ (source - a))
    sign = torch.linalg.det(u @ vt).sign()  # avoids a reflection
    rotation = u @ torch.diag(torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign])) @ vt
    return rotation, b - rotation @ a


def rigid_distance(source: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"]) -> float:
    """Mean distance of corresponding points after the best rigid alignment, in their unit."""
    rotation, translation = rigid_transform(source, target)
    return float((source @ rotation.T + translation - target).norm(dim=1).mean())


def similarity_distance(source: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"]) -> float:
    """The same, after scaling the source to the target's size (rms distance from the centre, Horn 1987)."""
    radius, wanted = ((points - points.mean(0)).norm() for points in (source, target))
    return rigid_distance(source * (wanted / radius), target)
