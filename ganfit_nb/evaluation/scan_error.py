"""Measures the distance of a reconstruction from a scan of the person, as the paper does (Sec. 4.3).

The scan is cropped 95 mm around the tip of the nose. The reconstruction is moved onto the scan, first by landmarks and
then by ICP. The error is the mean distance of each surface from the tangent planes of the other, in both directions.

There are two variants. *Rigid* keeps the size of the reconstruction. *Similarity* also scales it to the size of the
scan. Both are reported, because each alone can mislead: a picture by an unknown camera does not show how large a head
is, and an ICP that may scale makes a reconstruction smaller and its errors with it. The scale is found by landmarks
first, so the crop and the result do not depend on the unit of the reconstruction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.evaluation.croppers import NOSE_RADIUS, within
from ganfit_nb.evaluation.distances import SymmetricDistance, symmetric_distance
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.geometry.aligners import Align, onto_points
from ganfit_nb.geometry.icp import IcpStep, icp
from ganfit_nb.geometry.similarity import Similarity
from ganfit_nb.geometry.surface import Surface, without_unused
from ganfit_nb.model_files.registration import SeenPoints, see_points
from ganfit_nb.photos.landmarks import LandmarkDetector

NOSE_TIP = 4  # of MediaPipe's 478 points
ICP_POINTS = 2_000  # vertices of the reconstruction, evenly chosen; with 8,000 the error changed by less than 0.001 mm
VARIANTS = {"rigid": False, "similarity": True}  # whether the reconstruction is scaled
MEAN_FACE, LANDMARKS_ALONE = "mean face", "landmarks alone"  # rows of every table


@dataclass(frozen=True)
class Scan:
    """A scan, and MediaPipe's points on it. The surface is in mm and looks along +z, with +y up."""

    surface: Surface
    marks: SeenPoints

    @classmethod
    def find_marks(cls, surface: Surface, model: MorphableModel, detector: LandmarkDetector) -> Scan:
        """Renders the scan as clay and detects the points. Raises GanfitError when the detector sees no face."""
        vertices, faces = torch.from_numpy(surface.vertices).float(), torch.from_numpy(surface.faces)
        return cls(surface, see_points(vertices, faces, detector, model.dense_weight))

    @property
    def nose(self) -> Float[Array, " 3"]:
        """The tip of the nose, mm."""
        return self.marks.positions[NOSE_TIP].double().numpy()

    def scaled(self, factor: float) -> Scan:
        """The scan, with all lengths multiplied by a factor."""
        marks = SeenPoints(self.marks.positions * factor, self.marks.weight)
        return Scan(Surface(self.surface.vertices * factor, self.surface.faces), marks)


@dataclass(frozen=True)
class Reconstruction:
    """A face to be measured: the outside of its mesh (mm), and MediaPipe's points on it."""

    surface: Surface
    marks: Float[Array, "D 3"]

    @classmethod
    def of(cls, model: MorphableModel, vertices: Float[torch.Tensor, "V 3"]) -> Reconstruction:
        """The face that these vertices of the model's mesh make."""
        vertices = vertices.detach().double()
        outside = Surface(*without_unused(vertices.numpy(), model.outer_faces.numpy()))
        return cls(outside, model.dense_landmarks.on(vertices).numpy())

    @classmethod
    def of_person(cls, model: MorphableModel, identity: Float[torch.Tensor, " s"]) -> Reconstruction:
        """The face of p_s, without expression."""
        return cls.of(model, model.neutral(identity.detach().cpu()))

    def moved(self, motion: Similarity) -> Reconstruction:
        """The face after a motion."""
        return Reconstruction(Surface(motion(self.surface.vertices), self.surface.faces), motion(self.marks))


@dataclass(frozen=True)
class ScanError:
    """The error of a reconstruction against a scan.

    distance  point-to-plane distances in both directions, mm
    scale     factor by which the reconstruction was scaled
    steps     number of ICP steps
    """

    distance: SymmetricDistance
    scale: float
    steps: int

    def record(self) -> dict[str, float]:
        """The numbers, as they are stored in JSON files."""
        return {
            "mm": self.distance.mean,
            "to_scan": self.distance.forward,
            "from_scan": self.distance.backward,
            "covered": self.distance.covered,
            "scale": self.scale,
        }


def lay_onto(face: Reconstruction, scan: Scan, *, scaled: bool, align: Align = onto_points) -> Iterator[IcpStep]:
    """Moves a reconstruction onto a scan by ICP, which starts from the landmarks, and yields every step."""
    start = by_landmarks(face, scan, scaled)
    near = np.flatnonzero(within(start(face.surface.vertices), scan.nose, NOSE_RADIUS))
    if not len(near):
        raise GanfitError("The two meshes do not overlap; bring them to one size first.")
    points = face.surface.vertices[near[:: -(-len(near) // ICP_POINTS)]]
    yield from icp(Surface(points, face.surface.faces[:0]), scan.surface, scaled=scaled, start=start, align=align)


def scan_error(face: Reconstruction, scan: Scan, *, scaled: bool) -> ScanError:
    """The error of one variant. Raises GanfitError when the two meshes cannot be aligned."""
    *_, last = lay_onto(face, scan, scaled=scaled)
    moved = face.moved(last.transform).surface
    chosen = within(moved.vertices, scan.nose), within(scan.surface.vertices, scan.nose)
    return ScanError(symmetric_distance(moved, scan.surface, chosen), last.transform.scale, last.index)


def by_landmarks(face: Reconstruction, scan: Scan, scaled: bool) -> Similarity:
    """The motion that brings a reconstruction's points onto those of the scan, in least squares."""
    good = scan.marks.reliable.numpy()
    target = scan.marks.positions.double().numpy()[good]
    return onto_points(face.marks[good], target, np.zeros_like(target), scaled)
