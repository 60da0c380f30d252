"""MediaPipe's face networks: the short-range detector and the 478-point mesh with refined lips, eyes and irises.

Bazarevsky et al. 2019, "BlazeFace"; Grishchenko et al. 2020, "Attention Mesh". Both see squares cut out of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.assets import shipped
from ganfit_nb.networks.tflite import TFLiteNetwork
from ganfit_nb.warp import resample, scale_of, transform_points

DETECTOR_SIZE = 128  # px, side of the detector's input
MESH_SIZE = 192  # px, side of the mesh network's input
BATCH = 16  # squares that the detector looks at together
MAXIMUM_OVERLAP = 0.3  # intersection over union from which two detections are one face

# The mesh points that the refined outputs replace, in the outputs' order.
LIPS = [
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409, 78, 95, 88, 178,
    87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415, 76, 77, 90, 180, 85, 16, 315, 404,
    320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408, 62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292,
    183, 42, 41, 38, 12, 268, 271, 272, 407,
]  # fmt: skip
LEFT_EYE = [
    33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, 130, 25, 110, 24, 23, 22, 26,
    112, 243, 247, 30, 29, 27, 28, 56, 190, 226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223, 222,
    221, 189, 35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245, 156, 70, 63, 105, 66, 107,
    55, 193,
]  # fmt: skip
RIGHT_EYE = [
    263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398, 359, 255, 339, 254, 253,
    252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414, 446, 261, 448, 449, 450, 451, 452, 453, 464, 342,
    445, 444, 443, 442, 441, 413, 265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349, 350, 357, 465,
    383, 300, 293, 334, 296, 336, 285, 417,
]  # fmt: skip
EYELID = 16  # the first points of an eye are its lids


@dataclass(frozen=True)
class Detection:
    """A face in the image: centre and side of its box (px), the two eyes (px), the score in 0..1."""

    centre: Float[Tensor, " 2"]
    side: float
    eyes: Float[Tensor, "2 2"]
    score: float

    def scaled(self, factor: float) -> Detection:
        """The same face in an image that is larger by a factor."""
        return Detection(self.centre * factor, self.side * factor, self.eyes * factor, self.score)


def _anchors() -> Float[Tensor, "896 2"]:
    """Centres of the detector's anchors in the unit square: two a cell on a 16² grid, six on an 8² grid."""
    grids = []
    for n, per_cell in ((16, 2), (8, 6)):
        centres = (torch.arange(n) + 0.5) / n
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        grids.append(torch.stack([x, y], -1).view(-1, 2).repeat_interleave(per_cell, 0))
    return torch.cat(grids)


class FaceDetection:
    """Finds faces of at least about a sixth of the square's side."""

    def __init__(self) -> None:
        with shipped("face_detection.safetensors") as path:
            self.network = TFLiteNetwork(path).eval()
        self.anchors = _anchors()

    def __call__(
        self, squares: Float[Tensor, "N 3 128 128"], transforms: list[Float[Tensor, "2 3"]], minimum: float
    ) -> list[list[Detection]]:
        """Per square (RGB in 0..1) the faces that score at least `minimum`, best first.

        `transforms`: from each square's px to those in which the faces are told.
        """
        batches = (batch.contiguous(memory_format=torch.channels_last) for batch in squares.split(BATCH))
        outputs = [self.network(batch * 2 - 1) for batch in batches]
        scores = torch.cat([output["classificators"] for output in outputs])[..., 0].sigmoid()
        boxes = torch.cat([output["regressors"] for output in outputs]).view(len(squares), -1, 8, 2) / DETECTOR_SIZE
        return [self._detections(*square, minimum) for square in zip(scores, boxes, transforms, strict=True)]

    def _detections(
        self,
        scores: Float[Tensor, " 896"],
        boxes: Float[Tensor, "896 8 2"],
        transform: Float[Tensor, "2 3"],
        minimum: float,
    ) -> list[Detection]:
        """`boxes`: offset, extent and six points for each anchor, as fractions of the square."""
        likely = scores >= minimum
        scores, boxes, anchors = scores[likely], boxes[likely], self.anchors[likely]
        points = (boxes + anchors[:, None])[:, [0, 2, 3]] * DETECTOR_SIZE  # (K, 3, 2) centre and eyes, the square's px
        points = transform_points(transform, points)
        sides = boxes[:, 1].amax(1) * DETECTOR_SIZE * scale_of(transform)
        return distinct(
            [Detection(p[0], float(s), p[1:], float(q)) for p, s, q in zip(points, sides, scores, strict=True)]
        )


def distinct(detections: list[Detection]) -> list[Detection]:
    """Greedy non-maximum suppression: of overlapping detections the best is kept. Best first."""
    kept: list[Detection] = []
    for candidate in sorted(detections, key=lambda d: -d.score):
        if all(_overlap(candidate, other) <= MAXIMUM_OVERLAP for other in kept):
            kept.append(candidate)
    return kept


def _overlap(a: Detection, b: Detection) -> float:
    """Intersection over union of the two boxes, as upright squares."""
    low = torch.maximum(a.centre - a.side / 2, b.centre - b.side / 2)
    high = torch.minimum(a.centre + a.side / 2, b.centre + b.side / 2)
    shared = float((high - low).clamp(min=0).prod())
    return shared / (a.side**2 + b.side**2 - shared)


class FaceMesh:
    """The 478 points of one face."""

    def __init__(self) -> None:
        with shipped("face_mesh.safetensors") as path:
            self.network = TFLiteNetwork(path).eval()

    def __call__(
        self, image: Float[Tensor, "1 3 H W"], transform: Float[Tensor, "2 3"]
    ) -> tuple[Float[Tensor, "478 3"], float]:
        """The points in the image's px (z towards the viewer negative) and the probability that there is a face.

        `transform`: from the network's input to the image, a square about 1.5 times as wide as the face, eyes level.
        """
        outputs = self.network(resample(image, transform, MESH_SIZE))
        points = outputs["output_mesh_identity"].reshape(468, 3)
        xy, z = points[:, :2].clone(), points[:, 2]
        for name, indices in (("lips", LIPS), ("left_eye", LEFT_EYE), ("right_eye", RIGHT_EYE)):
            xy[indices] = outputs[f"output_{name}"].reshape(-1, 2)
        irises = [outputs[f"output_{side}_iris"].reshape(5, 2) for side in ("left", "right")]
        iris_z = [z[eye[:EYELID]].mean().expand(5) for eye in (LEFT_EYE, RIGHT_EYE)]  # the network gives none
        xy = transform_points(transform, torch.cat([xy, *irises]))
        z = torch.cat([z, *iris_z]) * torch.linalg.det(transform[:, :2]).sqrt().to(z)
        return torch.cat([xy, z[:, None]], 1), float(outputs["conv_faceflag"].sigmoid())
