"""Measures how far persons of a 3DMM are from a scan, by two measures. The scan may have any unit.

    judge = ScanJudge(model.morphable, Surface.read(path))
    for step in fit(photo, model):
        print(step.index, judge.errors(step.parameters.identity)["similarity"].surface.mean)

A mesh file does not say its unit. When the unit is not given, the scan is scaled so that the model's mean face fits it
best, first by landmarks, then by the ICP of `surface_error`. The radii of 80 and 95 mm and all errors are in mm of that
size. The variant *rigid* includes the error of the face's size: with a unit it compares with the true size, without one
with the size of the mean face. The variant *similarity* does not include it.

Only the outside of the scan counts, without eye sockets and mouth behind the skin.
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

EXTENT = 300.0  # mm; the scan's larger side is scaled to this before a face is looked for
NOSE_DEPTH = 70.0  # mm, roughly, from the origin of model space to the tip of the nose
FLUSH = 0.5  # mm; triangles that lie less than this behind the visible surface belong to it
POSSIBLE = 1.5  # no head is larger or smaller than the mean face by a greater factor


@dataclass(frozen=True)
class FaceErrors:
    """The errors of one reconstruction by both measures.

    symmetric  MICC's measure: both directions, within 95 mm of the tip of the nose
    surface    distance of the scan from the reconstruction, within 80 mm
    """

    symmetric: ScanError
    surface: SurfaceError

    def record(self) -> dict[str, dict[str, float]]:
        """The numbers, as they are stored in JSON files."""
        return {"symmetric": self.symmetric.record(), "surface": self.surface.record()}


class ScanJudge:
    """Measures persons of a model against one scan.

    scan  the outside of the scan, mm
    size  number of mm in a unit of the given mesh
    """

    def __init__(self, model: MorphableModel, surface: Surface, unit: float | None = None) -> None:
        """Takes a scan that looks along +z, with +y up. `unit` is the number of mm in its unit, if it is known.

        Raises GanfitError when no face is seen on the scan, when the mean face cannot be aligned with it, or when
        `unit` gives it a size that no head has.
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
        """The face of p_s, without expression, as it is measured."""
        return Reconstruction.of_person(self.model, identity)

    def errors(self, identity: Float[Tensor, " s"]) -> dict[str, FaceErrors]:
        """The errors of the face of p_s without expression, by variant: "rigid" and "similarity".

        Raises GanfitError when the face cannot be aligned with the scan.
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
    """The part of a scan (mm) that is visible from outside."""
    centred = torch.from_numpy(scan.surface.vertices - scan.nose + np.array([0.0, 0.0, NOSE_DEPTH])).float()
    shown = outer_faces(centred, torch.from_numpy(scan.surface.faces), FLUSH).numpy()
    return Scan(Surface(*without_unused(scan.surface.vertices, scan.surface.faces[shown])), scan.marks)
