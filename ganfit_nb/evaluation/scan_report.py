"""Reports errors against one scan: a table in text, and pictures that show where the error is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.evaluation.croppers import within
from ganfit_nb.evaluation.distances import distances
from ganfit_nb.evaluation.plots import figure
from ganfit_nb.evaluation.scan_error import VARIANTS, Scan
from ganfit_nb.evaluation.scan_judge import FaceErrors, ScanJudge
from ganfit_nb.evaluation.surface_error import RADIUS
from ganfit_nb.renderer import render
from ganfit_nb.renderer.camera import orbit_camera
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_nb.renderer.render import CLAY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Errors = Mapping[str, FaceErrors]  # of one person, by variant

TITLE = "Error against the scan"  # every table begins with it
MEASURES = {"symmetric": "both ways within 95 mm", "surface": "scan to surface within 80 mm"}
WIDTH, CELL = 18, 15  # characters
VIEWS = {"front": 0.0, "side": 70.0}  # yaw, degrees
LIMIT = 4.0  # mm at the end of the colour bar; it is always the same, so that pictures can be compared
COLOURS = "viridis"
SIZE, ZOOM = 480, 1.3  # px, and the factor by which the face is larger than in a photo's crop
INCHES = 2.6  # side of a picture
NOSE = (0.0, 0.0, 70.0)  # mm, where the camera sees the tip of the nose


def table(errors: Mapping[str, Errors], name: str) -> str:
    """The errors of every row in mm, as text. `name` is the name of the scan."""
    head = f"{'':{WIDTH}}" + "".join(f"{text:>{2 * CELL}}" for text in MEASURES.values())
    variants = f"{'':{WIDTH}}" + "".join(f"{variant:>{CELL}}" for _ in MEASURES for variant in VARIANTS)
    lines = []
    for row, found in errors.items():
        cells = [found[variant].record()[measure]["mm"] for measure in MEASURES for variant in VARIANTS]
        lines.append(f"{row:{WIDTH}}" + "".join(f"{cell:{CELL}.2f}" for cell in cells))
    return "\n".join([f"{TITLE} {name}: point to plane, mean, mm", head, variants, *lines])


def error_map(judge: ScanJudge, identity: Float[torch.Tensor, " s"], errors: Errors) -> Float[Array, " V"]:
    """The distance (mm) of each vertex of `judge.scan` from a reconstruction, moved by the similarity in `errors`.

    It is NaN farther than 80 mm from the tip of the nose, and where the reconstruction has no counterpart.
    """
    moved = judge.person(identity).moved(errors["similarity"].surface.motion)
    values, counts = distances(judge.scan.surface.vertices, moved.surface)
    return np.where(counts & within(judge.scan.surface.vertices, judge.scan.nose, RADIUS), values, np.nan)


def error_figure(
    judge: ScanJudge, people: Mapping[str, Float[torch.Tensor, " s"]], errors: Mapping[str, Errors]
) -> Figure:
    """Draws the scan from the front and from the side, coloured by its distance from each person (p_s by row)."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    page = figure(INCHES * len(people) + 0.8, INCHES * len(VIEWS) + 0.4)
    axes = page.subplots(len(VIEWS), len(people), squeeze=False)
    scale = ScalarMappable(Normalize(0.0, LIMIT), colormaps[COLOURS])
    for column, (row, identity) in zip(axes.T, people.items(), strict=True):
        values = error_map(judge, identity, errors[row])
        colours = scale.to_rgba(np.nan_to_num(values))[:, :3]
        for view, yaw in zip(column, VIEWS.values(), strict=True):
            view.imshow(picture(judge.scan, np.where(np.isnan(values)[:, None], CLAY, colours), yaw))
            view.axis("off")
        column[0].set_title(f"{row}\n{errors[row]['similarity'].surface.mean:.2f} mm", fontsize=9)
    page.colorbar(scale, ax=axes, shrink=0.7, extend="max", label="scan to surface, similarity, mm")
    return page


def picture(scan: Scan, colours: Float[Array, "V 3"], yaw: float) -> Float[Array, "H W 3"]:
    """Renders the scan on white, with these colours (0 to 1) at its vertices and shaded as clay. yaw is in degrees."""
    vertices = torch.from_numpy(scan.surface.vertices - scan.nose + np.array(NOSE)).float()
    camera = orbit_camera(math.radians(yaw), 0.0)
    camera[6] *= ZOOM
    clay = torch.full((1, 1, 3), CLAY)
    faces = torch.from_numpy(scan.surface.faces)
    drawn = render(
        vertices, faces, vertices[:, :2], clay, camera, frontal_light(), SIZE, background=torch.ones(3), antialias=False
    )
    shown = (drawn.fragments.pix_to_face >= 0)[..., None]
    painted = drawn.interpolate(torch.from_numpy(colours).float()) * drawn.shaded_geometry / CLAY
    return torch.where(shown, painted, 1.0).clamp(0, 1).numpy()
