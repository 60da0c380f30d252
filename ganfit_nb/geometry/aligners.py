"""The motion that brings points onto their partners: interchangeable functions of ICP."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.geometry.rigid import rigid_transform
from ganfit_nb.geometry.similarity import Similarity

# (points (N, 3), their partners (N, 3), the unit normals there (N, 3), is scale free?) -> the motion
Align = Callable[[Array, Array, Array, bool], Similarity]


def onto_points(
    points: Float[Array, "N 3"], partners: Float[Array, "N 3"], normals: Float[Array, "N 3"], scaled: bool
) -> Similarity:
    """Least squares of the distances from the partners in closed form (Besl & McKay 1992, the paper's [3]; the scale of
    Umeyama 1991)."""
    rotation = rigid_transform(torch.from_numpy(points), torch.from_numpy(partners))[0].numpy()
    a, b = points.mean(0), partners.mean(0)
    turned = (points - a) @ rotation.T
    scale = float((turned * (partners - b)).sum() / (turned**2).sum()) if scaled else 1.0
    return Similarity(scale, rotation, b - scale * rotation @ a)


def onto_planes(
    points: Float[Array, "N 3"], partners: Float[Array, "N 3"], normals: Float[Array, "N 3"], scaled: bool
) -> Similarity:
    """Least squares of the distances from the partners' planes, linearised (Chen & Medioni 1992): lets surfaces slide
    along each other, and so arrives in a tenth of the steps."""
    from scipy.spatial.transform import Rotation

    centre = points.mean(0)
    offset = points - centre
    radius = np.sqrt((offset**2).sum(1).mean())  # unit of rotation and scale, so that all columns are mm
    columns = [np.cross(offset, normals) / radius, normals, (offset * normals).sum(1, keepdims=True) / radius]
    rows = np.concatenate(columns[: 3 if scaled else 2], axis=1)
    gap = ((partners - points) * normals).sum(1)
    # least norm: a plane or a sphere leaves motions along itself undetermined
    solution = np.linalg.lstsq(rows, gap, rcond=1e-6)[0]
    rotation = Rotation.from_rotvec(solution[:3] / radius).as_matrix()
    scale = 1.0 + float(solution[6] / radius) if scaled else 1.0
    return Similarity(scale, rotation, centre + solution[3:6] - scale * rotation @ centre)
