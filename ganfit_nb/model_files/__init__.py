"""Morphable models from the files their owners have: one reader a format, one way into a FaceModel."""
