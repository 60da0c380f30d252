"""A teacher's lesson on notebook 04, from opening it to files in another program."""

import io
import json
import re
import zipfile
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser.opened import open_page
from browser.test_exported_meshes import alike, three
from browser.three_viewer import seen_in_three

__all__ = ["three"]
NOTEBOOK = Path("notebooks/04_fit_a_photo.ipynb")
SIZE, CLOSE = 300, 20.0  # pixels; the focal length, so long that facets would show
OURS = """import base64, io, torch
from ganfit_nb.results.export import to_pil
from ganfit_nb.renderer.lighting import frontal_light
face = player.steps[-1].parameters.replace(camera=torch.tensor({camera}), light=frontal_light())
data = io.BytesIO()
to_pil(model.render(face, {size}).image).save(data, "PNG")
print(base64.b64encode(data.getvalue()).decode())"""


def quick_cells():
    """The code cells of notebook 04, with a quicker fit."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [source.replace("steps=40, size=192", "steps=10, size=96") for source in sources]


def pastes():
    """The lines of Python that the notebook tells to try."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    words = next(text for text in ("".join(cell["source"]) for cell in cells) if text.startswith("## What to try"))
    code = [line for line in re.findall("`(.*?)`", words) if line.startswith(("player.", "model.", "from ", "to_pil("))]
    return [line for line in code if "player.load" not in line]  # which needs a result of the command line


@pytest.fixture(scope="module")
def lesson(browser, lab):
    """The notebook, run up to the player."""
    cells = quick_cells()
    player = next(number for number, source in enumerate(cells) if "FitPlayer(" in source)
    with open_page(browser) as opened:
        opened.in_lab(lab, cells[: player + 1])
        opened.canvas().wait_for()
        yield opened


def says(opened, code):
    return opened.ask(f"print({code})")


def scrub(opened, step):
    """To a step counted from 1, by keys."""
    opened.wait(lambda: says(opened, "player.shown == player.wanted") == "True")
    handle = opened.page.locator(".ganfit .noUi-handle").first
    handle.focus()
    ahead = step - 1 - int(says(opened, "player.wanted"))
    for _ in range(abs(ahead)):
        opened.page.keyboard.press("ArrowRight" if ahead > 0 else "ArrowLeft")
    opened.wait(lambda: says(opened, "player.shown") == str(step - 1))


def finished(opened):
    opened.wait(lambda: says(opened, "player.finished, player.shown == player.index") == "True True")


def name_course(opened, name):
    field = opened.page.get_by_label("Its name")
    field.fill(name)
    field.press("Enter")
    opened.wait(lambda: says(opened, "player.course") == name)


def seen(opened, nth):
    opened.canvas(nth).scroll_into_view_if_needed()
    opened.page.wait_for_timeout(500)
    return opened.pixels(opened.canvas(nth)).astype(int)[4:-4, 4:-4]


def test_a_whole_lesson(lesson, browser, three, tmp_path):
    page, identity = lesson.page, lesson.page.get_by_label("identity", exact=True)

    # Play and pause, switch the identity loss off, restart: it is on again.
    lesson.button("Play").click()
    lesson.wait(lambda: int(says(lesson, "player.index")) >= 2)
    lesson.button("Pause").click()
    identity.uncheck()
    lesson.wait(lambda: says(lesson, "weights.identity") == "0.0")
    lesson.button("Restart").click()
    lesson.wait(lambda: says(lesson, "player.index, weights.identity") == "-1 2.0")
    assert identity.is_checked()

    # A whole course, a branch without the identity loss, a name for both.
    lesson.button("Play").click()
    finished(lesson)
    page.get_by_text("identity distance").first.wait_for()
    name_course(lesson, "with identity")
    scrub(lesson, 1 + int(says(lesson, "[step.stage for step in player.steps].index('joint')")))
    identity.uncheck()
    lesson.wait(lambda: says(lesson, "weights.identity") == "0.0")
    lesson.button("Branch from here").click()
    lesson.wait(lambda: says(lesson, "player.course") == "course 1")
    finished(lesson)
    name_course(lesson, "without")

    # Side by side, and both turn.
    page.get_by_label("Compare with").select_option("with identity")
    lesson.canvas(1).wait_for()
    lesson.wait(lambda: says(lesson, "player._other.measures is not None") == "True")
    assert page.locator(".ganfit-canvas").count() == 2
    before = seen(lesson, 1)
    assert np.abs(seen(lesson, 0) - before).mean() > 0.3  # two fits
    box = lesson.canvas(0).bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 110, steps=4)
    page.mouse.up()
    assert np.abs(seen(lesson, 1) - before).mean() > 3

    # Saved, the page loaded again, and loaded.
    page.get_by_placeholder("a name or a folder").fill("lesson")
    lesson.button("Save").click()
    page.get_by_text("saved as lesson.safetensors").wait_for()
    lesson.reload()
    lesson.canvas(0).wait_for()
    lesson.button("Load").click()
    lesson.wait(lambda: says(lesson, "player.course") == "lesson")
    assert says(lesson, "player.names") == "('with identity', 'without', 'lesson')"
    assert says(lesson, "weights.identity, player.index == len(player.courses['without']) - 1") == "0.0 True"

    # What the notebook tells to paste runs.
    for code in pastes():
        assert "Error" not in lesson.ask(code), code

    # Exported, and upright, smooth and lit in three.js.
    scrub(lesson, 1)
    scrub(lesson, int(says(lesson, "player.index")) + 1)
    lesson.button("Export").click()
    page.wait_for_selector("a[download]")
    link = page.locator("a[download='mesh.glb']")
    assert link.evaluate("link => getComputedStyle(link).textDecorationLine") == "underline"
    for name in ("mesh.glb", "mesh.zip"):
        with page.expect_download() as download:
            page.locator(f"a[download='{name}']").click()
        download.value.save_as(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "mesh.zip") as archive:
        archive.extractall(tmp_path)
    camera = [0.0, 0.0, 1000.0, 0.0, 0.0, 0.0, CLOSE]
    small = [0.001 * x for x in camera[:6]] + camera[6:]
    web = seen_in_three(browser, three, tmp_path / "mesh.glb", small, SIZE)
    blender = seen_in_three(browser, three, tmp_path / "mesh.obj", camera, SIZE)
    picture = Image.open(io.BytesIO(b64decode(lesson.ask(OURS.format(camera=camera, size=SIZE)))))
    for theirs in (web, blender):
        assert alike(theirs, np.asarray(picture).astype(float))  # upright, smooth and lit


def test_voila_shows_the_page_while_it_fits(opened, voila_server, shot):
    slow = [cell.replace("steps=10, size=96", "steps=25, size=128") for cell in quick_cells()]
    opened.in_voila(voila_server, slow)
    opened.canvas().wait_for()
    opened.wait(lambda: opened.button("Pause").is_enabled())  # it is still at it
    opened.page.get_by_text(re.compile("(align|joint) step")).wait_for()
    opened.canvas(1).wait_for()  # both courses, in the end
    opened.page.locator("pre").filter(has_text="without identity:").wait_for()
