"""The mesh view without a browser: what is sent to it, and the picture that stays."""

import math

import numpy as np
import pytest
import torch

from ganfit_nb import GanfitError
from ganfit_nb.renderer.camera import frontal_camera, orbit_camera
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_widgets import MeshView
from ganfit_widgets.colour_map import ColourScale


def quad():
    vertices = torch.tensor([[-50.0, -50, 0], [50, -50, 0], [50, 50, 0], [-50, 50, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    return vertices, faces, torch.tensor([[0.0, 1], [1, 1], [1, 0], [0, 0]]), torch.full((4, 4, 3), 0.5)


@pytest.fixture
def view():
    return MeshView(*quad(), size=64)


def sent(view, name):
    """The numbers that the browser gets, a row a vertex."""
    return np.frombuffer(getattr(view._canvas, name), np.float32).reshape(-1, 2 if name == "uv" else 3)


def texture(view):
    width, height = view._canvas.texture_size
    return np.frombuffer(view._canvas.texels, np.uint8).reshape(height, width, 3)


def pressed(button):
    return "mod-active" in button._dom_classes


def middle(view):
    return np.asarray(view.picture())[32, 32].astype(int)


def test_moving_sends_the_vertices_as_they_are_then(view):
    vertices = quad()[0]
    vertices[2, 2] = 30.0
    view.show(vertices, torch.ones(4, 4, 3))
    assert sent(view, "vertices")[2, 2] == 30
    assert (texture(view) == 255).all()
    vertices[0, 0] = 1e6
    assert sent(view, "vertices")[0, 0] == -50


def test_changes_are_sent_together(view, monkeypatch):
    messages = []
    monkeypatch.setattr(view._canvas, "send_state", lambda names: messages.append(set(names)))
    view.show(quad()[0] + 1, torch.ones(4, 4, 3))
    assert len(messages) == 1
    assert {"vertices", "texels"} <= messages[0]


def test_clay_and_back_to_the_texture(view):
    assert pressed(view._look)  # it names what is on
    view._look.click()
    assert not view.textured
    assert not pressed(view._look)
    view.show(quad()[0], torch.ones(4, 4, 3))
    assert not (texture(view) == 255).any()
    view.textured = True
    assert (texture(view) == 255).all()


def test_wires_let_the_surface_through(view):
    plain = np.asarray(view.picture()).astype(int)
    view._wires.click()
    assert view._canvas.wireframe
    assert pressed(view._wires)
    wires = np.asarray(view.picture()).astype(int)
    assert (wires[24, 28] == plain[24, 28]).all()  # between the edges
    assert 20 < (plain - wires).max() < 100
    view.wireframe = False
    assert (np.asarray(view.picture()) == plain).all()


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
    assert (texture(view) == colours).all()  # the same scale: only the places move
    assert sent(view, "uv")[2, 0] == pytest.approx((0.5 + 0.25 * 3) / 4)


def test_a_diverging_scale_is_even_about_zero():
    scale = ColourScale.of(torch.tensor([-1.0, 3.0]), "height", diverging=True)
    assert (scale.low, scale.high) == (-3, 3)
    low, _, high = scale.colours(3).astype(int)
    assert low[2] > low[0]
    assert high[0] > high[2]


def test_another_topology_in_place(view):
    canvas = view._canvas
    vertices, faces = torch.rand(3, 3) * 50, torch.tensor([[0, 1, 2]])
    view.show_values(torch.arange(4.0), label="x")
    view.show_mesh(vertices, faces)
    assert view._canvas is canvas
    assert sent(view, "vertices").shape == (3, 3)
    assert view._look.layout.display == "none"  # there is no texture to show
    view.show_values(torch.arange(3.0), label="y")
    assert len(np.unique(texture(view)[0], axis=0)) > 100


def test_points_may_change_in_number(view):
    for count in (3, 5):
        view.show_points(torch.rand(count, 3))
        assert len(sent(view, "points")) == count
    view.show_points(None)
    assert view._canvas.points == b""


def test_the_fit_lights_the_mesh_and_holds_the_camera(view):
    light = frontal_light()
    light[3:6] = torch.tensor([1.2, 0.6, 0.0])
    camera = orbit_camera(0.4, 0.2)
    view.follow(camera, light)
    assert view._canvas.light_from_eye
    view._view.click()
    assert pressed(view._view)
    assert view._canvas.light == light.tolist()
    assert not view._canvas.light_from_eye
    assert view._canvas.p_c.tolist() == camera.tolist()
    red, green, blue = middle(view)
    assert red > green > blue
    view.follow(frontal_camera(), light)
    assert view._canvas.camera[0] == 0
    view.fit_view = False
    assert view._canvas.light_from_eye


def test_reset_looks_from_the_front_in_a_neutral_light(view):
    before = view.picture()
    view.follow(orbit_camera(0.4, 0.2), frontal_light())
    view.fit_view = True
    assert view.picture() != before
    view.reset_view()
    assert view.picture() == before


def test_linked_views_start_from_one_place(view):
    other = MeshView(*quad(), size=64)
    view._canvas.camera = orbit_camera(0.5, 0.1).tolist()
    view.link(other)
    assert other._canvas.camera == view._canvas.camera


def test_the_picture_is_what_the_reader_sees(view):
    assert (np.asarray(view.picture())[0, 0] > 200).all()  # the light background
    assert middle(view) == pytest.approx(np.full(3, 159), abs=8)  # the grey texture in a headlight
    view._canvas.camera = [0, 0, -700, 0, 0, 0, 5.2]  # as if turned in the browser
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
