"""Loads morphable models from files of other makers: one reader for each format, and one way into a FaceModel."""

from ganfit_nb.model_files.load import load_face_model

__all__ = ["load_face_model"]
