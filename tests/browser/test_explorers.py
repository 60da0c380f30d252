"""The explorers in real browsers: one notebook in JupyterLab and one in Voila, with all of them."""

import numpy as np
import pytest

from browser.opened import open_page

SETUP = """import torch
from ganfit_nb import FaceModel, FitConfig, Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.geometry.surface import Surface
from ganfit_widgets import AblationBoard, GradientExplorer, IcpPlayer, LatentExplorer, MorphExplorer
photo, model = Photo.open(asset_path("astronaut.png")), FaceModel.default()
mesh = model.morphable
source, target = (mesh.mean + shift * torch.eye(3)[2] for shift in (0.0, 9.0))"""
CELLS = {
    "morph": "morph = MorphExplorer(mesh)\nmorph",
    "latent": "latent = LatentExplorer(model, target=model.texture.at(64)(torch.ones(512)))\nlatent",
    "gradient": "gradient = GradientExplorer(model, photo=photo, size=64)\ngradient",
    "board": "board = AblationBoard(photo, model, FitConfig(steps=2, size=64))\nboard",
    "icp": "icp = IcpPlayer(*(Surface(v.double().numpy(), mesh.faces.numpy()) for v in (source, target)))\nicp",
}
PLACE = {name: number for number, name in enumerate(CELLS, 1)}


@pytest.fixture(scope="module")
def explorers(browser, lab):
    with open_page(browser) as opened:
        opened.in_lab(lab, [SETUP, *CELLS.values()])
        opened.wait(lambda: opened.ask("print('icp' in globals())") == "True")
        yield opened


def cell(opened, name):
    """The output of a component's cell, scrolled into sight: JupyterLab draws only what is near."""
    found = opened.page.locator(".jp-Cell").nth(PLACE[name])
    found.scroll_into_view_if_needed()
    found.locator(".ganfit").first.wait_for()
    return found


def press(found, text, nth=0):
    found.locator(".jupyter-button", has_text=text).nth(nth).click()


def seen(opened, found, what=".ganfit-canvas canvas", nth=0):
    view = found.locator(what).nth(nth)
    view.scroll_into_view_if_needed()
    opened.page.wait_for_timeout(500)  # a redraw in software
    return opened.pixels(view).astype(int)


def fits(opened, found):
    """Nothing reaches beyond the page."""
    return found.locator(".ganfit").first.evaluate("view => view.scrollWidth <= view.clientWidth")


def test_morph_explorer(explorers):
    found = cell(explorers, "morph")
    before = seen(explorers, found)
    press(found, "Random person")
    explorers.wait(lambda: explorers.ask("print(morph.seed)") == "0")
    person = seen(explorers, found)
    assert np.abs(person - before).mean() > 1
    handle = found.locator(".noUi-handle").first
    handle.focus()
    first = float(explorers.ask("print(morph.identity[0])"))
    handle.press("ArrowRight")
    explorers.wait(lambda: float(explorers.ask("print(morph.identity[0])")) != first)
    assert fits(explorers, found)


def test_latent_explorer(explorers):
    found = cell(explorers, "latent")
    press(found, "to", 3)
    explorers.wait(lambda: explorers.ask("print(latent.end)") == "3")
    before = seen(explorers, found, "img", 6)
    handle = found.locator(".noUi-handle").first
    handle.focus()
    handle.press("End")
    explorers.wait(lambda: explorers.ask("print(latent.position)") == "1.0")
    assert np.abs(seen(explorers, found, "img", 6) - before).mean() > 1
    press(found, "Step")
    explorers.wait(lambda: explorers.ask("print(latent.inversion.shown)") == "0")
    assert fits(explorers, found)


def test_gradient_explorer(explorers):
    found = cell(explorers, "gradient")
    found.get_by_label("group").select_option("camera")
    explorers.wait(lambda: "eye x (mm)" in found.inner_text())
    before = seen(explorers, found, "img", 1)
    press(found, "Blended outlines")
    explorers.wait(lambda: explorers.ask("print(gradient.antialias)") == "False")
    assert np.abs(seen(explorers, found, "img", 1) - before).mean() > 0.2
    clay = seen(explorers, found, nth=2)
    press(found, "Step")
    explorers.wait(lambda: explorers.ask("print(gradient.vertices.shown)") == "0")
    assert np.abs(seen(explorers, found, nth=2) - clay).mean() > 0.5
    assert fits(explorers, found)


def test_ablation_board(explorers):
    found = cell(explorers, "board")
    press(found, "−L_con")
    explorers.wait(lambda: "no-content" in explorers.ask("print(board.chosen)"))
    press(found, "PCA texture")
    explorers.wait(lambda: "pca" not in explorers.ask("print(board.chosen)"))
    before = seen(explorers, found, "img", 0)
    press(found, "Step")
    explorers.wait(lambda: explorers.ask("print(board.shown)") == "0")
    assert np.abs(seen(explorers, found, "img", 0) - before).mean() > 1
    assert "identity distance" in found.locator("svg[role=img]").first.text_content()
    widths = {round(picture.bounding_box()["width"]) for picture in found.locator(".ganfit-views img").all()}
    assert max(widths) - min(widths) <= 1  # in two rows, of which the second is not full
    assert fits(explorers, found)


def test_icp_player(explorers):
    found = cell(explorers, "icp")
    before = seen(explorers, found)
    for count in range(2):
        press(found, "Step")
        explorers.wait(lambda count=count: explorers.ask("print(icp.shown)") == str(count))
    assert np.abs(seen(explorers, found) - before).mean() > 1
    assert "rms" in found.inner_text()
    assert fits(explorers, found)


def test_every_tab_lives_on_after_the_page_is_loaded_again(explorers):
    explorers.reload()
    found = cell(explorers, "morph")
    moved = {"Identity": "morph.identity[0]", "Expression": "morph.expression[0]", "Actions": "len(morph.actions)"}
    for name, number in moved.items():
        found.locator(".lm-TabBar-tab", has_text=name).click()
        before = float(explorers.ask(f"print({number})"))
        handle = found.locator(".noUi-handle:visible").first
        handle.focus()
        handle.press("ArrowRight")
        explorers.wait(lambda number=number, before=before: float(explorers.ask(f"print({number})")) > before)
    found.locator(".lm-TabBar-tab", has_text="Spectrum").click()
    found.get_by_text("share of the variance").wait_for()
    turned = seen(explorers, found)
    press(found, "Reset")
    explorers.wait(lambda: float(explorers.ask("print(len(morph.actions))")) == 0)
    assert np.abs(seen(explorers, found) - turned).mean() > 0.1


def test_all_of_them_in_voila(opened, voila_server, shot):
    opened.in_voila(voila_server, [SETUP, *CELLS.values()])
    page = opened.page
    opened.button("Random person").click()
    page.get_by_text("moved 0.0 mm").wait_for(state="detached")
    press(page, "Blended outlines")
    page.locator(".jupyter-button:not(.mod-active)", has_text="Blended outlines").wait_for()
    for number in range(4):  # inversion, vertices, board, ICP
        press(page, "Step", number)
    page.get_by_text("step 1 · rms").wait_for()
    page.get_by_text("1 of 24 patches").wait_for()
    page.get_by_text("align").wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
