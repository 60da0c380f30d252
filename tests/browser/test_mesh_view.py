"""The mesh view in a real browser."""

import numpy as np

QUAD = """import torch
from ganfit_widgets import MeshView
vertices = torch.tensor([[-90.0, -90, 0], [90, -90, 0], [90, 90, 0], [-90, 90, 0]])
faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
uv = torch.tensor([[0.0, 1], [1, 1], [1, 0], [0, 0]])
view = MeshView(vertices, faces, uv, torch.tensor([1.0, 0, 0]).expand(4, 4, 3))
view"""


def middle(opened):
    opened.page.wait_for_timeout(500)  # a redraw in software
    pixels = opened.pixels(opened.canvas())
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2 + 20].astype(int)


def test_texture_clay_values_and_another_topology(opened, lab, shot):
    opened.in_lab(lab, [QUAD])
    opened.canvas().wait_for()
    opened.page.wait_for_function("() => document.querySelector('.ganfit-canvas canvas').width >= 300")
    red, green, blue = middle(opened)
    assert red > 150 > green == blue
    opened.button("Clay").click()
    assert np.ptp(middle(opened)) < 20
    opened.ask("view.show_values(torch.tensor([0.0, 1, 1, 0]), label='height', unit='mm')")
    red, green, blue = middle(opened)
    assert green > red + 30
    assert opened.page.get_by_text("height (mm)").is_visible()
    opened.ask("view.show_values(None); view.show_mesh(torch.tensor([[-9.0, 0, 0], [9, 0, 0], [0, 9, 0]]), faces[:1])")
    assert (middle(opened) > 200).all()  # the small triangle leaves the background there


def test_without_webgl_it_says_so(opened, lab):
    opened.expected += ["Error creating WebGL context", "Could not create a view"]
    opened.page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return kind.includes('webgl') ? null : get.call(this, kind, ...rest); }"
    )
    opened.in_lab(lab, [QUAD])
    frame = opened.page.locator(".ganfit-canvas")
    frame.wait_for()
    opened.page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.ganfit-canvas'), '::after').opacity === '1'"
    )
    words = frame.evaluate("frame => getComputedStyle(frame, '::after').content")
    assert "needs WebGL" in words
    assert not opened.page.get_by_text("Click to show javascript error").is_visible()
