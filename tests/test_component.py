"""The picture that a component leaves in a saved notebook, and the stylesheet it brings along."""

import asyncio
import base64
import io

import ipywidgets as widgets
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbconvert import HTMLExporter
from PIL import Image

from ganfit_widgets import Component, component
from ganfit_widgets.component import WIDGET_VIEW, joined, stylesheet


class Patch(Component):
    """One colour."""

    colour = "red"

    def picture(self):
        return Image.new("RGB", (30, 20), self.colour)


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def colour_of(output):
    pixel = Image.open(io.BytesIO(base64.b64decode(output["data"]["image/jpeg"]))).getpixel((5, 5))
    return ("red", "green", "blue")[pixel.index(max(pixel))]


def run(shell, code, **names):
    """The display messages of a cell."""
    shell.user_ns.update(names)
    with capture_output() as captured:
        assert shell.run_cell(code).success
    return captured._outputs


def test_the_picture_is_an_output_after_the_widget(shell):
    view, picture = run(shell, "display(patch)", patch=Patch())
    assert WIDGET_VIEW in view["data"]
    assert "Patch" in view["data"]["text/plain"]
    assert WIDGET_VIEW not in picture["data"]
    assert colour_of(picture) == "red"


def test_a_cell_that_changes_the_state_changes_the_picture(shell):
    patch = Patch()
    picture = run(shell, "patch", patch=patch)[-1]
    (update,) = run(shell, "patch.colour = 'blue'\nfor _ in range(3): patch.changed()")
    assert colour_of(update) == "blue"
    assert update["update"]
    assert update["transient"] == picture["transient"]
    assert run(shell, "pass") == []


def test_changes_in_the_browser_change_the_picture_when_they_rest(shell, monkeypatch):
    monkeypatch.setattr(component, "QUIET", 0.05)

    async def scenario():
        patch = Patch()
        with capture_output():
            patch._ipython_display_()
        with capture_output() as captured:
            for colour in ("green", "blue"):
                patch.colour = colour
                patch.changed()
                await asyncio.sleep(0.01)
            assert captured._outputs == []
            await asyncio.sleep(0.15)
        return captured._outputs

    (update,) = asyncio.run(scenario())
    assert colour_of(update) == "blue"


def test_what_is_not_displayed_is_not_drawn(shell):
    patch = Patch()
    patch.picture = None  # not to be called
    patch.changed()
    assert run(shell, "pass") == []


def test_a_notebook_as_html_shows_the_picture(shell):
    outputs = [
        nbformat.v4.new_output("display_data", message["data"], metadata=message["metadata"])
        for message in run(shell, "display(patch)", patch=Patch())
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("patch", outputs=outputs)])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert 'src="data:image/jpeg;base64,' in page


def test_components_side_by_side():
    inside = widgets.VBox([Patch(), widgets.HTML("text")])
    assert Component([widgets.HBox([Patch(), inside])]).picture().size == (66, 20)
    assert Component().picture().size == (1, 1)


def test_pictures_are_put_in_rows():
    sheet = joined([Image.new("RGB", (400, 50), name) for name in ("red", "lime", "blue")])
    assert sheet.size == (806, 106)
    assert sheet.getpixel((10, 80)) == (0, 0, 255)


def test_the_stylesheet_is_sent_once():
    first, second = Patch(), Patch()
    assert first.children[0] is second.children[0] is stylesheet()
    assert ".ganfit" in stylesheet().value
    stylesheet().close()
    assert Patch().children[0].comm is not None  # after Widget.close_all()
