"""Finds the motion that brings points onto their partners. ICP takes either of these functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.geometry.rigid import rigid_transform
from ganfit_nb.geometry.similarity import Similarity

# A function from (points (N, 3), partners (N, 3), unit normals there (N, 3), whether to scale) to the motion.
Align = Callable[[Array, Array, Array, bool], Similarity]


def onto_points(
    points: Float[Array, "N 3"], partners: Float[Array, "N 3"], normals: Float[Array, "N 3"], scaled: bool
) -> Similarity:
    """The motion with the least sum of squared distances from the partners, in closed form.

    The method is that of Besl & McKay 1992 (the paper's [3]), with the scale of Umeyama 1991.
    """
    rotation = rigid_transform(torch.from_numpy(points), torch.from_numpy(partners))[0].numpy()
    a, b = points.mean(0), partners.mean(0)
    turned = (points - a) @ rotation.T
    scale = float((turned * (partners - b)).sum() / (turned**2).sum()) if scaled else 1.0
    return Similarity(scale, rotation, b - scale * rotation @ a)


def onto_planes(
    points: Float[Array, "N 3"], partners: Float[Array, "N 3"], normals: Float[Array, "N 3"], scaled: bool
) -> Similarity:
    """The motion with the least sum of squared distances from the planes at the partners, linearised.

    The method is that of Chen & Medioni 1992. It lets surfaces slide along each other, so ICP needs a tenth of the
    steps.
    """
    from scipy.spatial.transform import Rotation

    centre = points.mean(0)
    offset = points - centre
    radius = np.sqrt((offset**2).sum(1).mean())  # unit of rotation and scale; with it all columns are in mm
    columns = [np.cross(offset, normals) / radius, normals, (offset * normals).sum(1, keepdims=True) / radius]
    rows = np.concatenate(columns[: 3 if scaled else 2], axis=1)
    gap = ((partners - points) * normals).sum(1)
    # The solution of least norm is taken: motions of a plane or a sphere along itself are undetermined.
    solution = np.linalg.lstsq(rows, gap, rcond=1e-6)[0]
    rotation = Rotation.from_rotvec(solution[:3] / radius).as_matrix()
    scale = 1.0 + float(solution[6] / radius) if scaled else 1.0
    return Similarity(scale, rotation, centre + solution[3:6] - scale * rotation @ centre)
