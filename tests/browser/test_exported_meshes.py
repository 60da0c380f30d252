"""Meshes that a fit leaves, opened in three.js: upright, smooth, and as light as our own rendering."""

import os

import numpy as np
import pytest
import torch

from browser.three_viewer import seen_in_three, three_package
from ganfit_nb import FaceModel
from ganfit_nb.renderer.camera import frontal_camera
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_nb.results.export import write_meshes

SIZE = 300
CAMERA = [*frontal_camera().tolist()[:6], 20.0]  # so near that the triangles of a face without normals show


@pytest.fixture(scope="module")
def three():
    package = three_package()
    if not package and os.environ.get("CI"):
        pytest.fail("CI must look at exported meshes in three.js, and there is no npm to fetch it.")
    if not package:
        pytest.skip("Looking at exported meshes needs npm, which fetches three.js.")
    return package


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    """A folder of meshes and our own picture of them, (SIZE, SIZE, 3) bytes."""
    folder, model = tmp_path_factory.mktemp("meshes"), FaceModel.default()
    face = model.mean_parameters().replace(camera=torch.tensor(CAMERA), light=frontal_light())
    write_meshes(folder, model, face)
    with torch.no_grad():
        picture = model.render(face, SIZE).image.clamp(0, 1)
    return folder, picture.numpy() * 255


@pytest.mark.parametrize(("name", "unit"), [("mesh.glb", 1e-3), ("mesh.obj", 1.0)])
def test_three_shows_what_our_renderer_shows(browser, three, meshes, name, unit):
    folder, ours = meshes
    *places, focal = CAMERA
    theirs = seen_in_three(browser, three, folder / name, [*(unit * x for x in places), focal], SIZE)
    assert alike(theirs, ours)


def alike(theirs, ours):
    """Upright and in place (lightness agrees pixel by pixel), lit (as light on the whole), smooth (no facets)."""
    theirs, ours = theirs.mean(2), ours.mean(2)
    middle = slice(SIZE // 4, 3 * SIZE // 4)
    agree = np.corrcoef(theirs.ravel(), ours.ravel())[0, 1]
    lightness = theirs[middle, middle].mean() / ours[middle, middle].mean()
    facets = roughness(theirs[middle, middle]) / roughness(ours[middle, middle])
    print(f"correlation {agree:.3f}, lightness {lightness:.2f}, roughness {facets:.2f} of ours")
    return agree > 0.9 and 0.8 < lightness < 1.25 and facets < 2


def roughness(picture):
    """How sharply lightness bends along rows and columns, as it does at the edges of flat triangles."""
    return sum(np.quantile(np.abs(np.diff(picture, 2, axis=axis)), 0.9) for axis in (0, 1))
