"""Loads a user's morphable model as a FaceModel that can be fitted."""

from __future__ import annotations

from pathlib import Path

from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.model_files.read import read_model_file


def load_face_model(path: Path | str) -> FaceModel:
    """The morphable model in the user's file, with its albedo if it has one, else with the shipped texture model.

    Raises GanfitError when the file is no model of a known format, or when no face is found on its mean.
    """
    file = read_model_file(Path(path))
    from ganfit_nb.model_files.adapt import adapt  # needs scipy; `read_model_file` has checked that it is there

    return adapt(file)[0]
