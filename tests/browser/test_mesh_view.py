"""The mesh view in a real browser."""

import io
from base64 import b64decode
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from browser.opened import WIDTH, open_page

QUAD = """import torch
from ganfit_widgets import MeshView
vertices = torch.tensor([[-90.0, -90, 0], [90, -90, 0], [90, 90, 0], [-90, 90, 0]])
faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
uv = torch.tensor([[0.0, 1], [1, 1], [1, 0], [0, 0]])
view = MeshView(vertices, faces, uv, torch.tensor([1.0, 0, 0]).expand(4, 4, 3))
view"""


FACES = """from ipywidgets import HBox
from ganfit_nb import FaceModel
from ganfit_widgets import Component, MeshView
model = FaceModel.default()
mean, face = model.mean_parameters(), model.morphable
first, second = (MeshView(face.mean, face.faces, face.uv, model.texture.at(256)(mean.texture), size=250) for _ in "ab")
first.link(second)
row = HBox([first, second])
row.add_class("ganfit-views")
print("\\n" * 60)
Component([row])"""
PICTURE = """import base64, io
data = io.BytesIO()
first.picture().save(data, "PNG")
print(base64.b64encode(data.getvalue()).decode())"""


DRAW = """
const viewer = new Viewer(document.body);
viewer.uv(new Float32Array(6));
viewer.paint(new Uint8Array(3), 1, 1);
viewer.mesh(new Float32Array([0, 0, 0, 9, 0, 0, 0, 9, 0]), new Uint32Array([0, 1, 2]));
requestAnimationFrame(() => requestAnimationFrame(() => (window.drawn = viewer)));
"""


EDGE = 4  # pixels: the frame of a view that has the focus


@pytest.fixture(scope="module")
def notebook(browser, lab):
    """Two linked heads below a page of text."""
    with open_page(browser) as opened:
        opened.in_lab(lab, [FACES])
        opened.canvas(1).wait_for()
        yield opened


@pytest.fixture
def faces(notebook):
    notebook.page.set_viewport_size({"width": WIDTH, "height": 900})
    notebook.ask("first.reset_view(); first.show_mesh(face.mean, face.faces, face.uv, second._texture)")
    notebook.page.evaluate("() => document.activeElement.blur()")
    notebook.canvas(1).scroll_into_view_if_needed()
    notebook.page.wait_for_timeout(500)
    return notebook


def drag(opened, across, down, nth=0):
    box = opened.canvas(nth).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    for part in (0.5, 1.0):
        opened.page.mouse.move(x + part * across, y + part * down)
    opened.page.mouse.up()
    opened.page.wait_for_timeout(300)


def camera(opened, view="first"):
    return [float(number) for number in opened.ask(f"print(*{view}._canvas.camera)").split()]


def seen(opened, nth=0):
    opened.page.wait_for_timeout(300)
    return opened.pixels(opened.canvas(nth)).astype(int)[EDGE:-EDGE, EDGE:-EDGE]


def scrolled(opened):
    return opened.page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollTop")


def test_linked_views_turn_together(faces):
    before = seen(faces, 1)
    drag(faces, 60, 20)
    first, second = seen(faces), seen(faces, 1)
    assert (second.std(axis=2) > 5).mean() > 0.2  # skin is in sight
    assert np.abs(second - before).mean() > 3
    assert np.abs(first - second).mean() < 1
    assert camera(faces) == camera(faces, "second")
    drag(faces, -30, 0, nth=1)
    assert np.abs(seen(faces) - first).mean() > 3
    assert np.abs(seen(faces) - seen(faces, 1)).mean() < 1  # both ways


def test_linked_views_turn_together_while_the_kernel_is_busy(faces):
    faces.page.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel"
        ".requestExecute({code: 'import time; time.sleep(4)'}); }"
    )
    before = seen(faces, 1)
    drag(faces, 60, 0)
    assert np.abs(seen(faces, 1) - before).mean() > 3


def test_the_view_shows_what_our_renderer_draws(faces):
    drag(faces, 40, -15)
    theirs = seen(faces)
    picture = Image.open(io.BytesIO(b64decode(faces.ask(PICTURE))))
    ours = np.asarray(picture.resize([side + 2 * EDGE for side in theirs.shape[1::-1]])).astype(int)
    apart = np.abs(ours[EDGE:-EDGE, EDGE:-EDGE] - theirs).max(axis=2)
    assert np.median(apart) < 3
    assert (apart > 40).mean() < 0.02  # outlines


def test_the_wheel_zooms_only_what_has_the_focus(faces):
    away, top = camera(faces)[2], scrolled(faces)
    faces.canvas().hover()
    faces.page.mouse.wheel(0, -200)
    faces.page.wait_for_timeout(500)
    assert scrolled(faces) < top
    assert camera(faces)[2] == away
    faces.canvas().scroll_into_view_if_needed()
    drag(faces, 0, 0)
    top = scrolled(faces)
    faces.page.mouse.wheel(0, -200)
    faces.page.wait_for_timeout(500)
    assert scrolled(faces) == top
    assert camera(faces)[2] < away


def test_keys_and_buttons_turn_the_view(faces):
    front = seen(faces)
    faces.page.locator(".ganfit-canvas").first.focus()
    for _ in range(3):
        faces.page.keyboard.press("ArrowRight")
    faces.page.keyboard.press("ArrowUp")
    faces.page.keyboard.press("+")
    faces.wait(lambda: camera(faces)[0] > 100)
    x, y, z = camera(faces)[:3]
    assert y > 40
    assert (x**2 + y**2 + z**2) ** 0.5 < 690
    assert np.abs(seen(faces) - front).mean() > 3
    faces.button("Side").click()
    faces.wait(lambda: abs(camera(faces)[2]) < 1)
    faces.button("Reset view").click()
    faces.wait(lambda: camera(faces)[:3] == [0, 0, 700])
    assert np.abs(seen(faces) - front).mean() < 1


def test_insides_are_dark(faces):
    faces.ask("first.show_mesh(face.mean, face.faces.flip(1))")  # inside out
    inside = seen(faces)[100:150, 100:150]
    assert inside.mean() < 90
    assert np.ptp(inside, axis=2).max() < 10


def test_views_grow_with_the_window_the_page_and_the_screen(faces):
    narrow = faces.canvas().bounding_box()["width"]
    assert narrow >= 250
    faces.page.set_viewport_size({"width": 1600, "height": 900})
    faces.page.wait_for_timeout(500)
    wide = faces.canvas().bounding_box()["width"]
    assert wide > 1.3 * narrow or wide == 500
    faces.button("Enlarge").click()
    faces.page.wait_for_timeout(300)
    assert faces.canvas().bounding_box()["width"] > 1.3 * wide
    faces.button("Enlarge").click()
    faces.button("Full screen").click()
    faces.wait(lambda: faces.page.evaluate("() => document.fullscreenElement?.className") == "ganfit-canvas")
    faces.page.wait_for_timeout(500)
    assert faces.canvas().bounding_box()["width"] == 900
    assert (seen(faces).std(axis=2) > 5).mean() > 0.1
    faces.page.evaluate("() => document.exitFullscreen()")
    faces.wait(lambda: not faces.page.evaluate("() => document.fullscreenElement"))


def test_it_lives_on_after_the_page_is_loaded_again(faces):
    drag(faces, 60, 0)
    turned = seen(faces)
    faces.reload()
    faces.canvas().wait_for()
    faces.canvas().scroll_into_view_if_needed()
    assert np.abs(seen(faces) - turned).mean() < 3
    drag(faces, -40, 0)
    assert np.abs(seen(faces) - turned).mean() > 3


def middle(opened):
    opened.page.wait_for_timeout(500)  # a redraw in software
    pixels = opened.pixels(opened.canvas())
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2 + 20].astype(int)


def test_texture_clay_values_and_another_topology(opened, lab, shot):
    opened.in_lab(lab, [QUAD])
    opened.canvas().wait_for()
    for _ in range(100):  # a canvas has its size before it has its picture
        red, green, blue = middle(opened)
        if red > 150:
            break
        opened.page.wait_for_timeout(100)
    assert red > 150 > green == blue
    opened.button("Texture").click()  # off: clay
    assert np.ptp(middle(opened)) < 20
    opened.ask("view.show_values(torch.tensor([0.0, 1, 1, 0]), label='height', unit='mm')")
    red, green, blue = middle(opened)
    assert green > red + 30
    assert opened.page.get_by_text("height (mm)").is_visible()
    opened.ask("view.show_values(None); view.show_mesh(torch.tensor([[-9.0, 0, 0], [9, 0, 0], [0, 9, 0]]), faces[:1])")
    assert (middle(opened) > 200).all()  # the small triangle leaves the background there


@pytest.mark.parametrize("width", [299, 300])  # a new canvas is 300 by 150
def test_a_view_of_any_width_draws_squares(opened, width):
    script = files("ganfit_nb.results").joinpath("mesh_viewer.js").read_text(encoding="utf-8")
    opened.page.set_content(f"<style>.ganfit-canvas {{ width: {width}px; height: {width}px; }}</style>")
    opened.page.add_script_tag(type="module", content=script + DRAW)
    opened.page.wait_for_function("() => window.drawn")
    assert opened.page.evaluate("() => [drawn.canvas.width, drawn.canvas.height]") == [width, width]


def test_without_webgl_it_says_so(opened, lab):
    opened.page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return kind.includes('webgl') ? null : get.call(this, kind, ...rest); }"
    )
    opened.in_lab(lab, [QUAD])
    frame = opened.page.locator(".ganfit-canvas")
    frame.wait_for()
    assert "needs WebGL" in frame.inner_text()
    assert not opened.page.get_by_text("Click to show javascript error").is_visible()
