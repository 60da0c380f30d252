"""A differentiable renderer: rasterisation, deferred Phong shading, antialiased outlines."""

from ganfit_nb.renderer.camera import frontal_camera, orbit_camera
from ganfit_nb.renderer.fragments import Fragments
from ganfit_nb.renderer.interpolate import interpolate
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_nb.renderer.normals import vertex_normals
from ganfit_nb.renderer.rasterize import rasterize
from ganfit_nb.renderer.render import Rendering, render

__all__ = [
    "Fragments",
    "Rendering",
    "frontal_camera",
    "frontal_light",
    "interpolate",
    "orbit_camera",
    "rasterize",
    "render",
    "vertex_normals",
]
