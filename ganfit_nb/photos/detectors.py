"""Finds a landmark detector by its name."""

from __future__ import annotations

from pathlib import Path

from ganfit_nb.errors import GanfitError
from ganfit_nb.photos.landmark_file import SUFFIXES, LandmarkFile
from ganfit_nb.photos.landmarks import LandmarkDetector
from ganfit_nb.photos.photo import default_detector


def load_detector(name: str) -> LandmarkDetector:
    """The detector called `name`: mediapipe, fan, dlib, or the path of a .pts or .json file made by hand.

    Raises GanfitError for another name, and when a package or file that the detector needs is missing.
    """
    if name == "mediapipe":
        return default_detector()
    if name == "fan":
        from ganfit_nb.photos.fan import FanDetector

        return FanDetector()
    if name == "dlib":
        from ganfit_nb.photos.dlib_landmarks import DlibDetector

        return DlibDetector()
    if Path(name).suffix.lower() in SUFFIXES:
        return LandmarkFile(Path(name))
    raise GanfitError(f"{name} finds no landmarks; known are mediapipe, fan, dlib and a .pts or .json of 68 points.")
