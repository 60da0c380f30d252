"""How far a reconstruction is from a scan of the person, by the paper's measure (Sec. 4.3).

The scan is cropped 95 mm around the tip of the nose, the reconstruction is laid onto it by landmarks and then by ICP,
and the distances of each surface from the other's planes are averaged in both directions.

A picture by an unknown camera does not show how large a head is, and an ICP that may scale shrinks a reconstruction's
errors with its size. So both variants are reported: *rigid* leaves the reconstruction its own millimetres; *similarity*
brings it to the scan's size first, by landmarks, so that the crop and the result do not depend on its unit.
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
ICP_POINTS = 2_000  # of the reconstruction, evenly chosen; 8,000 moved the error by less than 0.001 mm
WELL_PLACED = 0.3  # of the best point's trust
VARIANTS = {"rigid": False, "similarity": True}  # may the reconstruction be scaled?
MEAN_FACE, LANDMARKS_ALONE = "mean face", "landmarks alone"  # rows of every table


@dataclass(frozen=True)
class Scan:
    """A scan and where MediaPipe's points were seen on it. `surface` in mm, looking along +z with +y up."""

    surface: Surface
    marks: SeenPoints

    @classmethod
    def find_marks(cls, surface: Surface, model: MorphableModel, detector: LandmarkDetector) -> Scan:
        """Renders the scan as clay and detects the points. GanfitError when no face is seen on it."""
        vertices, faces = torch.from_numpy(surface.vertices).float(), torch.from_numpy(surface.faces)
        return cls(surface, see_points(vertices, faces, detector, model.dense_weight))

    @property
    def nose(self) -> Float[Array, " 3"]:
        """The tip of the nose."""
        return self.marks.positions[NOSE_TIP].double().numpy()

    def scaled(self, factor: float) -> Scan:
        """The same scan in another unit."""
        marks = SeenPoints(self.marks.positions * factor, self.marks.weight)
        return Scan(Surface(self.surface.vertices * factor, self.surface.faces), marks)


@dataclass(frozen=True)
class Reconstruction:
    """A face to be judged: the outside of its mesh (mm), and MediaPipe's points on it."""

    surface: Surface
    marks: Float[Array, "D 3"]

    @classmethod
    def of(cls, model: MorphableModel, vertices: Float[torch.Tensor, "V 3"]) -> Reconstruction:
        """The face with these vertices of the model's mesh."""
        vertices = vertices.detach().double()
        outside = Surface(*without_unused(vertices.numpy(), model.outer_faces.numpy()))
        return cls(outside, model.dense_landmarks.on(vertices).numpy())

    @classmethod
    def of_person(cls, model: MorphableModel, identity: Float[torch.Tensor, " s"]) -> Reconstruction:
        """The face of p_s without expression."""
        return cls.of(model, model.neutral(identity.detach().cpu()))

    def moved(self, motion: Similarity) -> Reconstruction:
        """The same face elsewhere."""
        return Reconstruction(Surface(motion(self.surface.vertices), self.surface.faces), motion(self.marks))


@dataclass(frozen=True)
class ScanError:
    """distance: symmetric point-to-plane, mm. scale: what the reconstruction was multiplied by. steps: of ICP."""

    distance: SymmetricDistance
    scale: float
    steps: int

    def record(self) -> dict[str, float]:
        """What is stored of it."""
        return {
            "mm": self.distance.mean,
            "to_scan": self.distance.forward,
            "from_scan": self.distance.backward,
            "covered": self.distance.covered,
            "scale": self.scale,
        }


def lay_onto(face: Reconstruction, scan: Scan, *, scaled: bool, align: Align = onto_points) -> Iterator[IcpStep]:
    """The ICP that brings a reconstruction's face onto the scan, begun from the landmarks; one step a turn."""
    start = by_landmarks(face, scan, scaled)
    near = np.flatnonzero(within(start(face.surface.vertices), scan.nose, NOSE_RADIUS))
    if not len(near):
        raise GanfitError("The two meshes do not overlap; bring them to one size first.")
    points = face.surface.vertices[near[:: -(-len(near) // ICP_POINTS)]]
    yield from icp(Surface(points, face.surface.faces[:0]), scan.surface, scaled=scaled, start=start, align=align)


def scan_error(face: Reconstruction, scan: Scan, *, scaled: bool) -> ScanError:
    """The error of one variant; GanfitError when the two cannot be laid onto each other."""
    *_, last = lay_onto(face, scan, scaled=scaled)
    moved = face.moved(last.transform).surface
    chosen = within(moved.vertices, scan.nose), within(scan.surface.vertices, scan.nose)
    return ScanError(symmetric_distance(moved, scan.surface, chosen), last.transform.scale, last.index)


def by_landmarks(face: Reconstruction, scan: Scan, scaled: bool) -> Similarity:
    """The motion that brings a reconstruction's points onto those seen on the scan, in least squares."""
    weight = scan.marks.weight.numpy()
    good = weight > WELL_PLACED * weight.max()
    target = scan.marks.positions.double().numpy()[good]
    return onto_points(face.marks[good], target, np.zeros_like(target), scaled)
