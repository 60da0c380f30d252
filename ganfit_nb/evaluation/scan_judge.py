"""How far any person of a 3DMM is from a scan, by two measures, whatever the scan's unit.

    judge = ScanJudge(model.morphable, Surface.read(path))
    for step in fit(photo, model):
        print(step.index, judge.errors(step.parameters.identity)["similarity"].surface.mean)

A mesh file does not say its unit, and a picture by an unknown camera does not show how large a head is. Unless the unit
is given, the scan is therefore brought to the size at which the model's mean face lies best on it, first by landmarks,
then by the ICP of `surface_error`; 80 and 95 mm and all errors are mm of that size. *Rigid* leaves the reconstruction
its own mm, so that without a unit it judges the size in comparison with the mean face, and with one the true size;
*similarity* does not judge it.

Only the scan's outside counts: no eye sockets or mouth behind the skin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.evaluation.scan_error import VARIANTS, Reconstruction, Scan, ScanError, by_landmarks, scan_error
from ganfit_nb.evaluation.surface_error import SurfaceError, points_of, surface_error
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.geometry.outer_surface import outer_faces
from ganfit_nb.geometry.surface import Surface, without_unused
from ganfit_nb.photos.photo import default_detector

EXTENT = 300.0  # mm that the larger side of a scan gets before a face is looked for
NOSE_DEPTH = 70.0  # mm from the middle of a head's model space to the tip of its nose, roughly
FLUSH = 0.5  # mm
POSSIBLE = 1.5  # times the size of the mean face, or so many times smaller: no head is beyond


@dataclass(frozen=True)
class FaceErrors:
    """symmetric: MICC's measure, both ways within 95 mm. surface: the scan from the reconstruction within 80 mm."""

    symmetric: ScanError
    surface: SurfaceError

    def record(self) -> dict[str, dict[str, float]]:
        """What is stored of them."""
        return {"symmetric": self.symmetric.record(), "surface": self.surface.record()}


class ScanJudge:
    """Measures persons of a model against one scan.

    scan  its outside, mm
    size  mm of a unit of the mesh as given
    """

    def __init__(self, model: MorphableModel, surface: Surface, unit: float | None = None) -> None:
        """`surface` looks along +z with +y up; `unit` is what its unit measures in mm, where that is known.

        GanfitError when no face is seen on it, when the mean face cannot be laid onto it, or when no head has the size
        that `unit` makes it.
        """
        self.model = model
        mean = Reconstruction.of(model, model.mean)
        extent = float((surface.vertices.max(0) - surface.vertices.min(0))[:2].max())
        first = EXTENT / max(extent, 1e-30)
        found = _seen(Surface(surface.vertices * first, surface.faces), model)
        by_marks = 1 / by_landmarks(mean, found, scaled=True).scale
        found, first = _outside(found.scaled(by_marks)), first * by_marks
        if unit is None:
            self.size = first / surface_error(mean, found, points_of(found), scaled=True).motion.scale
        elif 1 / POSSIBLE < unit / first < POSSIBLE:
            self.size = unit
        else:
            raise GanfitError(
                f"With a unit of {unit:g} mm the scan is {unit / first:.2g} times as large as the mean face; give its "
                "true unit, or none."
            )
        self.scan = found.scaled(self.size / first)
        self._points = points_of(self.scan)

    def person(self, identity: Float[Tensor, " s"]) -> Reconstruction:
        """The face of p_s without expression, as it is judged."""
        return Reconstruction.of_person(self.model, identity)

    def errors(self, identity: Float[Tensor, " s"]) -> dict[str, FaceErrors]:
        """The errors of p_s without expression, by variant, "rigid" and "similarity".

        GanfitError when it cannot be laid onto the scan.
        """
        face = self.person(identity)
        return {
            variant: FaceErrors(
                scan_error(face, self.scan, scaled=scaled), surface_error(face, self.scan, self._points, scaled=scaled)
            )
            for variant, scaled in VARIANTS.items()
        }


def _seen(surface: Surface, model: MorphableModel) -> Scan:
    detector = default_detector()
    try:
        return Scan.find_marks(surface, model, detector)
    except GanfitError as error:
        raise GanfitError(
            "No face is seen on the scan; it needs +y up, +z out of the face, eyes, nose and mouth."
        ) from error


def _outside(scan: Scan) -> Scan:
    """The part of a scan (mm) that shows."""
    centred = torch.from_numpy(scan.surface.vertices - scan.nose + np.array([0.0, 0.0, NOSE_DEPTH])).float()
    shown = outer_faces(centred, torch.from_numpy(scan.surface.faces), FLUSH).numpy()
    return Scan(Surface(*without_unused(scan.surface.vertices, scan.surface.faces[shown])), scan.marks)
