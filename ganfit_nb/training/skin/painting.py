"""Tools of the painters: smooth noise, blurs, soft masks and anti-aliased strokes."""

from __future__ import annotations

from functools import lru_cache
from typing import no_type_check

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray

from ganfit_nb.blur import gaussian_blur
from ganfit_nb.renderer.compiled import compiled


@lru_cache
def _bicubic(cells: int, size: int) -> Float[ndarray, "S C"]:
    """The matrix that enlarges a line of `cells` values to `size` values by bicubic interpolation."""
    lines = torch.eye(cells)[None, None]
    return F.interpolate(lines, size=(size, cells), mode="bicubic", align_corners=False)[0, 0].numpy()


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> Float[ndarray, "H H"]:
    """Gaussian noise with about `cells` bumps a side, of roughly unit variance."""
    enlarge = _bicubic(cells, size)
    return enlarge @ rng.standard_normal((cells, cells)).astype(np.float32) @ enlarge.T / 0.75


def cloud(rng: np.random.Generator, size: int, cells: tuple[int, ...], falloff: float = 0.6) -> Float[ndarray, "H H"]:
    """A sum of octaves of smooth noise. Each has `falloff` times the weight of the one before. It has unit variance."""
    weights = falloff ** np.arange(len(cells))
    octaves = sum(w * smooth_noise(rng, size, c) for w, c in zip(weights, cells, strict=True))
    return np.asarray(octaves / np.sqrt((weights**2).sum()), np.float32)


def balanced(field: Float[ndarray, "H H"]) -> Float[ndarray, "H H"]:
    """The field, mixed with its mirror image, because a face is uneven but nearly symmetric."""
    return 0.65 * field + 0.45 * field[:, ::-1]


def blur(image: Float[ndarray, "H W C"], sigma: float) -> Float[ndarray, "H W C"]:
    """Gaussian blur with edge replication; sigma in texels. Wide blurs run on a smaller copy."""
    x = torch.from_numpy(np.ascontiguousarray(image, np.float32)).permute(2, 0, 1)
    (height, width), shrink = x.shape[1:], max(1, int(sigma // 4))
    if shrink > 1:
        x = F.interpolate(x[None], size=(height // shrink, width // shrink), mode="area")[0]
    x = gaussian_blur(x, sigma / shrink)
    if shrink > 1:
        x = F.interpolate(x[None], size=(height, width), mode="bilinear", align_corners=False)[0]
    return x.permute(1, 2, 0).numpy()


def smoothstep(x: ndarray, low: float, high: float) -> ndarray:
    """A smooth step: 0 below `low`, 1 above `high`. It falls from 1 to 0 when `low` > `high`."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bump(x: ndarray, y: ndarray, cx: float, cy: float, sx: float, sy: float) -> ndarray:
    """A Gaussian hill of height 1 over a grid.

    It is fast, because x must change only along rows of the grid, and y only along columns.
    """
    return np.outer(np.exp(-0.5 * ((y[:, 0] - cy) / sy) ** 2), np.exp(-0.5 * ((x[0] - cx) / sx) ** 2))


def spline(points: Float[ndarray, "N 2"], samples: int, closed: bool = False) -> Float[ndarray, "S 2"]:
    """A Catmull–Rom curve through the points."""
    points = np.asarray(points, np.float64)
    ends = (points[-1:], points[:2]) if closed else (2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1])
    p = np.concatenate([ends[0], points, ends[1]])
    pieces = len(p) - 3
    t = np.linspace(0, pieces, samples, endpoint=not closed)
    i = np.minimum(t.astype(int), pieces - 1)
    f = (t - i)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    return 0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3)


@compiled
@no_type_check
def _distance(px: float, py: float, ax: float, ay: float, bx: float, by: float) -> tuple[float, float]:
    """The distance of p to the segment ab, and the place of the nearest point on it, from 0 at a to 1 at b."""
    dx, dy = bx - ax, by - ay
    t = ((px - ax) * dx + (py - ay) * dy) / max(dx * dx + dy * dy, 1e-12)
    t = min(max(t, 0.0), 1.0)
    return np.sqrt((px - ax - t * dx) ** 2 + (py - ay - t * dy) ** 2), t


@compiled
@no_type_check
def draw_strokes(
    alpha: ndarray, origin: ndarray, pitch: ndarray, strokes: ndarray, widths: ndarray, opacities: ndarray
) -> None:
    """Adds tapered strokes of hair to a coverage map, in place.

    alpha          (H, W), the coverage map
    origin, pitch  texel (r, c) lies at origin + pitch * (c + .5, r + .5) mm
    strokes        (N, K, 2), polylines in mm
    widths         (N,), thickness at the root, mm
    opacities      (N,), in [0, 1]

    A stroke that is narrower than a texel covers only a share of it.
    """
    soft = 0.5 * (abs(pitch[0]) + abs(pitch[1])) * 0.5
    height, width = alpha.shape
    for n in range(strokes.shape[0]):
        reach = 0.5 * widths[n] + soft
        x0 = (strokes[n, :, 0].min() - reach - origin[0]) / pitch[0]
        x1 = (strokes[n, :, 0].max() + reach - origin[0]) / pitch[0]
        y0 = (strokes[n, :, 1].min() - reach - origin[1]) / pitch[1]
        y1 = (strokes[n, :, 1].max() + reach - origin[1]) / pitch[1]
        for r in range(max(0, int(y0)), min(height - 1, int(y1)) + 1):
            for c in range(max(0, int(x0)), min(width - 1, int(x1)) + 1):
                px, py = origin[0] + pitch[0] * (c + 0.5), origin[1] + pitch[1] * (r + 0.5)
                nearest, along = 1e9, 0.0
                for k in range(strokes.shape[1] - 1):
                    a, b = strokes[n, k], strokes[n, k + 1]
                    d, t = _distance(px, py, a[0], a[1], b[0], b[1])
                    if d < nearest:
                        nearest, along = d, (k + t) / (strokes.shape[1] - 1)
                thick = widths[n] * (1.0 - 0.7 * along)
                cover = min(max((0.5 * thick + soft - nearest) / (2 * soft), 0.0), 1.0) * min(1.0, thick / (2 * soft))
                alpha[r, c] = 1.0 - (1.0 - alpha[r, c]) * (1.0 - opacities[n] * cover)


@compiled
@no_type_check
def distance_to_curve(chart: ndarray, curve: ndarray) -> ndarray:
    """The distance in mm of every texel of a chart (H, W, 2) to a polyline (N, 2)."""
    height, width = chart.shape[:2]
    out = np.empty((height, width), np.float32)
    for r in range(height):
        for c in range(width):
            nearest = 1e9
            for k in range(curve.shape[0] - 1):
                d, _ = _distance(
                    chart[r, c, 0], chart[r, c, 1], curve[k, 0], curve[k, 1], curve[k + 1, 0], curve[k + 1, 1]
                )
                nearest = min(nearest, d)
            out[r, c] = nearest
    return out


@compiled
@no_type_check
def inside_polygon(chart: ndarray, polygon: ndarray) -> ndarray:
    """Whether each texel lies within a closed polygon (N, 2) of the chart (even–odd rule)."""
    height, width = chart.shape[:2]
    out = np.zeros((height, width), np.bool_)
    for r in range(height):
        for c in range(width):
            x, y = chart[r, c, 0], chart[r, c, 1]
            inside = False
            for k in range(polygon.shape[0]):
                ax, ay = polygon[k - 1, 0], polygon[k - 1, 1]
                bx, by = polygon[k, 0], polygon[k, 1]
                if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
                    inside = not inside
            out[r, c] = inside
    return out


def signed_distance(chart: Float[ndarray, "H W 2"], polygon: Float[ndarray, "N 2"]) -> Float[ndarray, "H W"]:
    """The distance in mm of every texel to a closed outline, negative inside."""
    distance = distance_to_curve(chart, np.concatenate([polygon, polygon[:1]]))
    return np.where(inside_polygon(chart, polygon), -distance, distance)
