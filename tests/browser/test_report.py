"""The page of a finished fit, opened from the disk as its owner does."""

import io

import numpy as np
import pytest
from PIL import Image

from ganfit_nb.assets import asset_path
from ganfit_nb.commands.cli import main


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert main(["fit", str(asset_path("astronaut.png")), "--steps", "1", "--out", str(out)]) == 0
    return out / "astronaut" / "report.html"


@pytest.fixture(params=[1000, 1600])
def page(browser, report, request):
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda asked: page.asked.append(asked.url))
    page.goto(report.as_uri())
    page.wait_for_timeout(1500)
    yield page
    page.close()


def seen(page):
    """The canvas as floats, (H, W, 3)."""
    page.wait_for_timeout(300)
    return np.asarray(Image.open(io.BytesIO(page.locator("#mesh canvas").screenshot())).convert("RGB")) / 255.0


def test_the_page_is_whole_and_asks_nobody(page, report):
    assert report.stat().st_size < 5_000_000
    assert page.said == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    text = page.inner_text("body")
    for words in ("astronaut.png", "identity distance", "landmark error", "Made with"):
        assert words in text
    assert page.locator("svg polyline").count() >= 8
    assert page.evaluate("document.querySelector('img.overlay').naturalWidth") == 6 * 512
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_mesh_is_turned_by_hand_and_shown_in_clay(page):
    face = seen(page)
    middle = face[face.shape[0] // 2, face.shape[1] // 2]
    assert middle[0] > middle[2] + 0.05  # skin
    box = page.locator("#mesh canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert np.abs(seen(page) - face).mean() > 0.03
    page.get_by_text("Reset").click()
    assert np.abs(seen(page) - face).mean() < 0.01
    page.locator("#own").click()
    own = seen(page)
    assert np.abs(own - face).mean() > 0.005
    assert np.abs(own - face).mean() < 0.1
    assert "pixels of the photograph" in page.inner_text("#about")
    page.get_by_text("Clay").click()
    middle = seen(page)[face.shape[0] // 2, face.shape[1] // 2]
    assert np.ptp(middle) < 0.02  # grey
    assert page.locator("#clay").get_attribute("aria-pressed") == "true"
