"""A differentiable renderer: rasterisation, deferred Phong shading, antialiased outlines."""

from ganfit_nb.renderer.fragments import Fragments
from ganfit_nb.renderer.interpolate import interpolate
from ganfit_nb.renderer.normals import vertex_normals
from ganfit_nb.renderer.rasterize import rasterize
from ganfit_nb.renderer.render import Rendering, render

__all__ = ["Fragments", "Rendering", "interpolate", "rasterize", "render", "vertex_normals"]
