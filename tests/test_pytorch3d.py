"""PyTorch3D as rasteriser: against ours where it is installed, else driven through a stand-in; and a fit on CUDA."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from meshes import two_eggs
from tolerances import DEVICES, SAME_FACES
from torch import Tensor

from ganfit_nb import FaceModel, FitConfig, Photo, fit
from ganfit_nb.assets import asset_path
from ganfit_nb.renderer import rasterizer_torch
from ganfit_nb.renderer.camera import orbit_camera, project
from ganfit_nb.renderer.rasterize import _on_cuda, backend

ADAPTER = "ganfit_nb.renderer.rasterizer_pytorch3d"


def by_its_documentation(
    meshes, *, image_size, blur_radius, faces_per_pixel, perspective_correct, cull_backfaces
) -> tuple[Tensor]:
    """rasterize_meshes as PyTorch3D documents it, by trying every face on every pixel: x to the left, y up, the centre
    of pixel k at 1 - (2k + 1) / size; the nearest depth, perspective-correct; -1 in the background."""
    assert (blur_radius, faces_per_pixel, perspective_correct, cull_backfaces) == (0, 1, True, False)
    centre = 1 - (2 * torch.arange(image_size, dtype=torch.float64) + 1) / image_size
    y, x = torch.meshgrid(centre, centre, indexing="ij")
    nearest = torch.full((len(meshes.verts), image_size, image_size), torch.inf, dtype=torch.float64)
    index = torch.full((len(meshes.verts), image_size, image_size), -1)
    for mesh, (verts, faces) in enumerate(zip(meshes.verts, meshes.faces, strict=True)):
        for face, corners in enumerate(verts.double()[faces]):
            (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if area == 0:
                continue
            wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
            wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
            wc = 1 - wa - wb
            depth = 1 / (wa / az + wb / bz + wc / cz)
            hit = (wa > 0) & (wb > 0) & (wc > 0) & (depth < nearest[mesh])
            nearest[mesh][hit], index[mesh][hit] = depth[hit], mesh * len(faces) + face
    return (index[..., None],)


@pytest.fixture
def adapter(monkeypatch):
    """The module over PyTorch3D where it is installed, else over the stand-in."""
    if importlib.util.find_spec("pytorch3d") is None:
        names = ("", ".structures", ".renderer", ".renderer.mesh", ".renderer.mesh.rasterize_meshes")
        modules = {f"pytorch3d{name}": ModuleType(f"pytorch3d{name}") for name in names}
        modules["pytorch3d.structures"].Meshes = lambda verts, faces: SimpleNamespace(verts=verts, faces=faces)
        modules["pytorch3d.renderer.mesh.rasterize_meshes"].rasterize_meshes = by_its_documentation
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, ADAPTER, raising=False)
    _on_cuda.cache_clear()
    yield importlib.import_module(ADAPTER)
    sys.modules.pop(ADAPTER, None)
    _on_cuda.cache_clear()


@pytest.mark.parametrize("yaw", [0.0, 0.6])
def test_it_finds_the_faces_that_ours_finds(adapter, yaw):
    vertices, faces, _ = two_eggs(2)
    vertices[faces[5]] += torch.tensor([0.0, 0.0, 1200.0])  # faces behind the eye and around it
    screen = torch.stack([project(vertices, orbit_camera(turn, 0.1), 48) for turn in (yaw, -yaw - 0.2)])
    ours, theirs = (module.pix_to_face(screen, faces, 48) for module in (rasterizer_torch, adapter))
    assert ours.shape == theirs.shape
    assert float((ours == theirs).float().mean()) > SAME_FACES
    assert int((ours >= 0).sum()) > 1000


def test_an_empty_picture(adapter):
    screen = torch.tensor([[0.0, 0, -5], [8, 0, -5], [0, 8, -5]])
    assert (adapter.pix_to_face(screen[None], torch.tensor([[0, 1, 2]]), 8) == -1).all()


def test_it_is_chosen_on_cuda_and_only_there(adapter):
    assert backend(torch.device("cuda")).__name__ == ADAPTER
    assert backend(torch.device("cpu")).__name__ != ADAPTER


def test_without_it_plain_torch_serves_cuda(adapter, monkeypatch):
    """Also where it was imported before: its submodules would still be found."""
    for name in [name for name in sys.modules if name == ADAPTER or name.startswith("pytorch3d.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    _on_cuda.cache_clear()
    assert backend(torch.device("cuda")) is rasterizer_torch
    _on_cuda.cache_clear()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_a_fit_on_cuda_is_that_of_the_cpu():
    photo, model = Photo.open(asset_path("astronaut.png")), FaceModel.default()
    runs = [list(fit(photo, model, FitConfig(steps=5, size=128, device=device)))[-1] for device in ("cpu", "cuda")]
    for name, value in runs[0].losses.items():
        assert runs[1].losses[name] == pytest.approx(value, rel=DEVICES), name
