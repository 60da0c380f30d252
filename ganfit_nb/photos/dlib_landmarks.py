"""dlib's frontal face detector and 68-point shape predictor (Kazemi & Sullivan 2014)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganfit_nb.assets.registry import required
from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.landmarks import DetectedFace, by_area

WEIGHTS = "shape_predictor_68_face_landmarks.dat"


class DlibDetector:
    """Finds 68 points and no dense ones.

    It finds frontal faces of at least 80 px. When a head is turned far to the side, its jaw points lie off the face.
    """

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError as error:
            raise GanfitError('dlib is not installed; run: pip install "ganfit_nb[detectors]"') from error
        self.detect = dlib.get_frontal_face_detector()
        self.predict = dlib.shape_predictor(str(packaged_weights() or required("dlib-landmarks")[0]))

    def __call__(self, image: Float[Tensor, "H W 3"]) -> list[DetectedFace]:
        """The faces in the image, the largest first."""
        pixels = (image * 255).round().to(torch.uint8).numpy()
        boxes, scores, _ = self.detect.run(pixels, 0)
        return by_area(
            DetectedFace(
                torch.tensor([[p.x, p.y] for p in self.predict(pixels, box).parts()]) + 0.5,  # dlib's centres are whole
                None,
                torch.tensor([box.left(), box.top(), box.right() + 1, box.bottom() + 1], dtype=torch.float32),
                score,
            )
            for box, score in zip(boxes, scores, strict=True)
        )


def packaged_weights() -> Path | None:
    """The weights file in the package face-recognition-models, or None when that is not installed.

    The package is not imported, because its import fails on current Python versions. Only its folder is searched.
    """
    package = importlib.util.find_spec("face_recognition_models")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "models" / WEIGHTS
    return path if path.is_file() else None
