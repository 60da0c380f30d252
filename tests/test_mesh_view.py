"""The mesh view without a browser: what is sent to it, and the picture that stays."""

import math

import numpy as np
import pytest
import torch

from ganfit_nb import GanfitError
from ganfit_nb.camera import camera_axes, frontal_camera, orbit_camera
from ganfit_nb.lighting import frontal_light
from ganfit_widgets import MeshView
from ganfit_widgets.colour_map import ColourScale
from ganfit_widgets.mesh_canvas import MeshCanvas, _looking


def quad():
    vertices = torch.tensor([[-50.0, -50, 0], [50, -50, 0], [50, 50, 0], [-50, 50, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    return vertices, faces, torch.tensor([[0.0, 1], [1, 1], [1, 0], [0, 0]]), torch.full((4, 4, 3), 0.5)


@pytest.fixture
def view():
    return MeshView(*quad(), size=64)


def sent(view, name):
    return view._canvas._attributes[name].array


def texture(view):
    return view._canvas._texture.data


def middle(view):
    return np.asarray(view.picture())[32, 32].astype(int)


def test_moving_sends_new_arrays(view):
    vertices = quad()[0]
    before = sent(view, "position")
    vertices[2, 2] = 30.0
    view.show(vertices, torch.ones(4, 4, 3))
    assert sent(view, "position") is not before
    assert sent(view, "position")[2, 2] == 30
    assert sent(view, "normal")[1, 2] < 1  # no longer facing the reader
    assert (texture(view) == 255).all()
    vertices[0, 0] = 1e6
    assert sent(view, "position")[0, 0] == -50  # a copy: later changes of the tensor do not reach the browser half-way


def test_changes_are_drawn_together(view):
    seen = []
    view._canvas.widget.observe(lambda change: seen.append(change["new"]), "_pause_autorender")
    view._canvas._attributes["position"].observe(lambda _: seen.append("position"), "array")
    view._canvas._texture.observe(lambda _: seen.append("texture"), "data")
    view.show(quad()[0] + 1, torch.ones(4, 4, 3))
    assert seen == [True, "position", "texture", False]


def test_clay_and_back_to_the_texture(view):
    view._look.click()
    assert not view.textured
    view.show(quad()[0], torch.ones(4, 4, 3))
    assert not (texture(view) == 255).any()
    view.textured = True
    assert (texture(view) == 255).all()


def test_wires(view):
    view._wires.click()
    assert view._canvas._material.wireframe
    assert view._wires.description == "Surface"
    assert np.asarray(view.picture())[24, 28] == pytest.approx(np.asarray(view.picture())[0, 0])  # between the edges
    view.wireframe = False
    assert np.asarray(view.picture())[24, 28, 0] < 200


def test_values_take_the_colours_of_the_bar(view):
    view.show_values(torch.tensor([0.0, 1, 2, math.nan]), label="error", unit="mm")
    u, v = sent(view, "uv").T
    assert u[:3] == pytest.approx([0.125, 0.5, 0.875])
    assert (v == [0.25, 0.25, 0.25, 0.75]).all()  # no number, no colour
    assert (texture(view)[0, [0, -1]] == ColourScale(0, 2, "").colours(2)).all()
    assert "error (mm)" in view._bar.value
    assert ">2<" in view._bar.value
    assert view.picture().height > view.size
    view.show_values(None)
    assert (sent(view, "uv") == quad()[2].numpy()).all()
    assert view._bar.value == ""


def test_values_move_in_place(view):
    view.show_values(torch.arange(4.0), label="error", limits=(0, 4))
    colours = texture(view)
    view.show_values(torch.arange(4.0) / 2, label="error", limits=(0, 4))
    assert texture(view) is colours  # the same scale: only the places are sent
    assert sent(view, "uv")[2, 0] == pytest.approx((0.5 + 0.25 * 3) / 4)


def test_a_diverging_scale_is_even_about_zero():
    scale = ColourScale.of(torch.tensor([-1.0, 3.0]), "height", diverging=True)
    assert (scale.low, scale.high) == (-3, 3)
    low, _, high = scale.colours(3).astype(int)
    assert low[2] > low[0]
    assert high[0] > high[2]


def test_another_topology_in_place(view):
    widget = view._canvas.widget
    vertices, faces = torch.rand(3, 3) * 50, torch.tensor([[0, 1, 2]])
    view.show_values(torch.arange(4.0), label="x")
    view.show_mesh(vertices, faces)
    assert view._canvas.widget is widget
    assert sent(view, "position").shape == (3, 3)
    assert view._look.layout.display == "none"  # there is no texture to show
    view.show_values(torch.arange(3.0), label="y")
    assert len(np.unique(texture(view)[0], axis=0)) > 100


def test_points_may_change_in_number(view):
    for count in (3, 5):
        view.show_points(torch.rand(count, 3))
        assert len(view._canvas._points.geometry.attributes["position"].array) == count
        assert view._canvas._points in view._canvas._scene.children
    view.show_points(None)
    assert len(view._canvas._scene.children) == 4


def test_the_fit_lights_the_mesh_and_holds_the_camera(view):
    light = frontal_light()
    light[3:6] = torch.tensor([1.2, 0.6, 0.0])
    camera = orbit_camera(0.4, 0.2)
    view.follow(camera, light)
    assert view._canvas._lamp.intensity == 0
    view._view.click()
    assert view._canvas._lamp.intensity == pytest.approx(1.2)
    assert view._canvas._lamp.color == "#ff8000"
    assert view._canvas._headlight.intensity == 0
    assert view._canvas.camera == pytest.approx(camera.tolist(), abs=1e-3)
    red, green, blue = middle(view)
    assert red > green > blue
    view.follow(frontal_camera(), light)
    assert view._canvas._camera.position[0] == 0
    view.fit_view = False
    assert view._canvas._headlight.intensity > 0


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.7, 0.3), (-2.5, -0.6)])
def test_the_camera_looks_where_the_fit_looks(yaw, pitch):
    axes = camera_axes(orbit_camera(yaw, pitch))
    x, y, z, w = _looking(*axes[2].tolist())
    right = [1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)]
    back = [2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)]
    assert right == pytest.approx(axes[0].tolist(), abs=1e-5)
    assert back == pytest.approx((-axes[2]).tolist(), abs=1e-5)


def test_linked_views_start_from_one_place(view):
    other = MeshView(*quad(), size=64)
    view._canvas.camera = orbit_camera(0.5, 0.1)
    view.link(other)
    assert other._canvas.camera.tolist() == view._canvas.camera.tolist()


def test_the_picture_is_what_the_reader_sees(view):
    assert (np.asarray(view.picture())[0, 0] > 200).all()  # the light background
    assert middle(view) == pytest.approx(np.full(3, 159), abs=8)  # the grey texture in a headlight
    view._canvas._camera.position = [0, 0, -700]  # as if turned in the browser
    assert (middle(view) < 90).all()  # the dark side


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda view: view.show(torch.zeros(5, 3)), "show_mesh"),
        (lambda view: view.show_values(torch.zeros(5), label="x"), "each of 4 vertices"),
        (lambda view: view.show_values(torch.full((4,), math.nan), label="x"), "finite"),
        (lambda view: view.show_values(torch.zeros(4), label="x", limits=(1.0, 1.0)), "ascending"),
        (lambda view: view.show_mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]]), torch.zeros(3, 2)), "both or none"),
    ],
)
def test_what_does_not_fit_is_said_and_changes_nothing(view, wrong, sentence):
    before = view.picture()
    with pytest.raises(GanfitError, match=sentence):
        wrong(view)
    assert view.picture() == before


def test_canvases_need_no_mesh():
    assert MeshCanvas(64).camera == pytest.approx([0, 0, 700, 0, 0, 0, 1 / math.tan(math.radians(11))])
