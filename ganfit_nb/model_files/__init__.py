"""Morphable models from the files their owners have: one reader a format, one way into a FaceModel."""

from ganfit_nb.model_files.load import load_face_model

__all__ = ["load_face_model"]
