"""Which face does every pixel show, and where on it: chooses the rasteriser for the device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from types import ModuleType

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganfit_nb.renderer import rasterizer_torch
from ganfit_nb.renderer.fragments import Fragments
from ganfit_nb.renderer.lists import indices

_COMPILED = True  # False in tests that compare with plain torch
_FORWARD = ContextVar("_FORWARD", default=False)


@contextmanager
def forward_mode() -> Iterator[None]:
    """Inside it this thread renders in plain torch, slower, but differentiable forward: compiled kernels only know
    reverse mode."""
    token = _FORWARD.set(True)
    try:
        yield
    finally:
        _FORWARD.reset(token)


def backend(device: torch.device) -> ModuleType:
    """The module whose pix_to_face, barycentric, interpolate, vertex_normals, sample_uv and phong serve `device`.

    On the CPU the compiled one, on CUDA PyTorch3D's where it is installed; plain torch where these are missing.
    """
    if _FORWARD.get():
        return rasterizer_torch
    if device.type == "cpu" and _COMPILED:
        return _on_cpu()
    return _on_cuda() if device.type == "cuda" else rasterizer_torch


@cache
def _on_cpu() -> ModuleType:
    """Loaded at the first picture: numba takes a fifth of a second."""
    try:
        from numba import config
    except ImportError:  # numba follows new Python versions with some delay
        return rasterizer_torch
    if config.DISABLE_JIT:  # type: ignore[attr-defined]  # interpreted, the kernels take minutes
        return rasterizer_torch
    return import_module("ganfit_nb.renderer.rasterizer_numba")


@cache
def _on_cuda() -> ModuleType:
    try:
        return import_module("ganfit_nb.renderer.rasterizer_pytorch3d")
    except (ImportError, OSError):  # absent, or built for another torch
        return rasterizer_torch


def rasterize(screen: Float[Tensor, "*n V 3"], faces: Int[Tensor, "F 3"], size: int) -> Fragments:
    """Fragments of size × size pictures of vertices on the screen (as `camera.project` gives them), one picture or
    several of one mesh.

    Faces are seen from both sides; those with a vertex nearer than `camera.NEAR` or behind the eye are skipped.
    Barycentric coordinates and depth are differentiable in `screen`; which face a pixel shows is not, so outlines
    get their gradient from `antialias`.
    """
    rasterizer, count = backend(screen.device), screen.shape[-2]
    pix_to_face = rasterizer.pix_to_face(screen.reshape(-1, count, 3), faces, size)
    face = pix_to_face.view(-1)
    index, used = indices(face >= 0, len(face))
    face = torch.where(used, face.index_select(0, index), index % len(faces))
    corners = faces.index_select(0, face) + count * (index // size**2)[:, None]
    pixel = torch.where(used, index % size**2, -1)
    bary, depth = rasterizer.barycentric(screen.reshape(-1, 3), corners, pixel, size)
    pixels = torch.where(used, index, pix_to_face.numel())
    return Fragments(pix_to_face.view(*screen.shape[:-2], size, size), pixels, corners, bary, depth)
