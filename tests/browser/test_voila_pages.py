"""The notebooks as Voila's pages: there at once, with every heading, while what they compute goes on behind them."""

import shutil
import time
from pathlib import Path

import pytest

NOTEBOOKS = Path("notebooks")
PAGE_WITHIN = 60  # seconds on two busy cores; the start, imports and the sheets drawn at once take most of them
# Its last heading, quicker or slower settings, and what is printed when the work is done.
PAGES = {
    "02_gan_latent_space": ("What to try", ("STEPS = 80", "STEPS = 30"), "of the high frequencies kept"),
    "03_renderer_gradients": (
        "See also",
        ("surface.term", "surface.speed = 2; surface.term"),
        "cosine between gradient and measurement: ",
    ),
    "05_loss_ablations": (
        "See also",
        ("steps=30, size=128", "steps=10, size=96"),
        "the greatest pixel loss is that of",
    ),
    "06_several_photos": ("See also", ("steps=20", "steps=8"), "One identity for all: True"),
    "07_micc_evaluation": ("See also", ("icp.planes", "icp.speed = 0.5; icp.planes"), "planes: "),
}


def copy(name, folder, replaced):
    """The notebook beside what it reads, as it is but for the settings."""
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    assert replaced[0] in text
    (folder / f"{name}.ipynb").write_text(text.replace(*replaced), encoding="utf-8")
    shutil.copytree(NOTEBOOKS / "results", folder / "results", dirs_exist_ok=True)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_there_before_its_results(opened, voila_server, shot, name):
    heading, replaced, result = PAGES[name]
    copy(name, voila_server.root, replaced)
    begin = time.monotonic()
    opened.page.goto(f"{voila_server.url}/voila/render/{name}.ipynb?token={voila_server.token}")
    opened.page.get_by_role("heading", name=heading).wait_for(timeout=1000 * PAGE_WITHIN)
    opened.page.locator(".ganfit").first.wait_for()
    page = time.monotonic() - begin
    assert page < PAGE_WITHIN
    assert opened.page.get_by_text(result).count() == 0  # it is still at it
    opened.page.get_by_text(result).first.wait_for(timeout=180_000)
    print(f"{name}: page after {page:.1f} s, result after {time.monotonic() - begin:.1f} s")
    assert opened.page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
