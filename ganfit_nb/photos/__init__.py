"""The input of a fit: photographs, videos, and the landmarks found in them."""

from ganfit_nb.photos.photo import Photo, default_detector

__all__ = ["Photo", "default_detector"]
