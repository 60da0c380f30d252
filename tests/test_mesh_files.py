"""What other programs read in the meshes that a fit leaves: normals, and a white material under the texture."""

import numpy as np
import pytest
import torch
import trimesh

from ganfit_nb import FaceModel
from ganfit_nb.renderer import vertex_normals
from ganfit_nb.results.export import write_meshes


@pytest.fixture(scope="module")
def model():
    return FaceModel.default()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("meshes")
    write_meshes(folder, model, model.mean_parameters())
    return folder


def test_every_mesh_is_smooth_in_other_programs(model, folder):
    face = model.morphable
    ours = torch.nn.functional.normalize(vertex_normals(face.mean, face.faces), dim=1).numpy()
    (glb,) = trimesh.load(folder / "mesh.glb", process=False).geometry.values()
    assert b'"NORMAL"' in (folder / "mesh.glb").read_bytes()
    assert np.abs(glb.vertex_normals - ours).max() < 1e-3
    for name in ("mesh.obj", "neutral.obj"):
        lines = (folder / name).read_text().splitlines()
        written = np.array([line.split()[1:] for line in lines if line.startswith("vn ")], float)
        assert np.abs(written - ours).max() < 1e-3


def test_nothing_darkens_the_texture(folder):
    lines = (folder / "mesh.mtl").read_text().splitlines()
    assert [float(x) for line in lines if line.startswith("Kd ") for x in line.split()[1:]] == [1, 1, 1]
    assert "map_Kd texture.png" in lines
