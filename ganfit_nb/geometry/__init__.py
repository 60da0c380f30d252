"""Geometry of surfaces: rigid motion, closest points and ICP."""

from ganfit_nb.geometry.aligners import onto_planes, onto_points
from ganfit_nb.geometry.correspondences import closest_on_surface
from ganfit_nb.geometry.rigid import rigid_transform, similarity_distance
from ganfit_nb.geometry.similarity import Similarity
from ganfit_nb.geometry.surface import Surface

__all__ = [
    "Similarity",
    "Surface",
    "closest_on_surface",
    "onto_planes",
    "onto_points",
    "rigid_transform",
    "similarity_distance",
]
