"""A notebook waits for its work; a Voila page does not."""

import asyncio
import sys

import ipywidgets
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from PIL import Image

from ganfit_widgets import PictureView, live

MODULE = sys.modules["ganfit_widgets.live"]


@pytest.fixture
def voila(monkeypatch):
    """As Voila runs a cell; holds what the cell displays."""
    places = []
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    monkeypatch.setattr(MODULE, "display", places.append)
    yield places
    InteractiveShell.clear_instance()


async def short():
    await asyncio.sleep(0.02)


async def broken():
    raise ValueError("too bad")


def test_in_voila_no_picture_is_left_for_a_saved_notebook(monkeypatch):
    shown = []
    monkeypatch.setattr(sys.modules["ganfit_widgets.component"], "display", lambda data, **_: shown.append(data))
    for software, kinds in (("voila/0.5", ["view"]), ("", ["view", "picture"])):
        monkeypatch.setenv("SERVER_SOFTWARE", software)
        shown.clear()
        PictureView("a caption")._ipython_display_()
        assert ["picture" if "image/jpeg" in data else "view" for data in shown] == kinds


def show():
    print("the numbers")
    display(Image.new("RGB", (2, 2)))


def run_in_voila(work, then=None):
    async def scenario():
        await live(work, then)
        await asyncio.sleep(0.3)

    asyncio.run(scenario())


@pytest.mark.parametrize(("software", "waits"), [("", True), ("voila/0.5", False)])
def test_voila_is_shown_while_the_work_goes_on(monkeypatch, software, waits):
    monkeypatch.setenv("SERVER_SOFTWARE", software)
    done = []

    async def scenario():
        await live(short(), lambda: done.append(True))
        assert bool(done) == waits
        await asyncio.sleep(0.3)
        assert done == [True]

    asyncio.run(scenario())


def test_in_voila_the_result_comes_where_its_cell_is(voila):
    InteractiveShell.instance()
    run_in_voila(short(), show)
    (place,) = voila
    assert isinstance(place, ipywidgets.Output)
    text, picture = place.outputs
    assert text["text"] == "the numbers\n"
    assert picture["data"]["image/png"].startswith("iVBOR")  # base64, as browsers want it


def test_in_voila_an_error_is_told_on_the_page(voila):
    run_in_voila(broken(), show)
    (output,) = voila[0].outputs
    assert (output["name"], output["text"]) == ("stderr", "ValueError: too bad")
