"""The notebooks as Voila's pages: there at once, with every heading, while what they compute goes on behind them."""

import shutil
import time
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path("notebooks")
PAGE_WITHIN = 120  # seconds, with much to spare on two busy cores
# Its last heading, quicker settings, and what is printed when the work is done.
PAGES = {
    "02_gan_latent_space": ("What to try", ("STEPS = 80", "STEPS = 10"), "of the high frequencies kept"),
    "03_renderer_gradients": ("See also", None, "cosine between gradient and measurement: "),
    "05_loss_ablations": (
        "See also",
        ("steps=30, size=128", "steps=10, size=96"),
        "the greatest pixel loss is that of",
    ),
    "06_several_photos": ("See also", ("steps=20", "steps=8"), "One identity for all: True"),
    "07_micc_evaluation": ("See also", None, "photos agree: "),
}
# A page that waits for the work would never come, on a machine however fast: nothing ends before the test allows it.
HELD = """import asyncio
from pathlib import Path
from ganfit_widgets import StepPlayer
finish = StepPlayer.finish
async def finish_when_allowed(player):
    while not Path({allowed!r}).exists():
        await asyncio.sleep(0.05)
    await finish(player)
StepPlayer.finish = finish_when_allowed"""


def copy(name, folder, replaced, allowed):
    """The notebook beside what it reads, as it is but for the settings, and that it waits for the file `allowed`."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)
    for cell in notebook.cells if replaced else []:
        cell.source = cell.source.replace(*replaced)
    assert not replaced or any(replaced[1] in cell.source for cell in notebook.cells)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(HELD.format(allowed=str(allowed))))
    nbformat.write(notebook, folder / f"{name}.ipynb")
    for beside in ("data", "results"):
        shutil.copytree(NOTEBOOKS / beside, folder / beside, dirs_exist_ok=True)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_there_before_its_results(opened, voila_server, shot, tmp_path, name):
    heading, replaced, result = PAGES[name]
    copy(name, voila_server.root, replaced, tmp_path / "allowed")
    begin = time.monotonic()
    opened.page.goto(f"{voila_server.url}/voila/render/{name}.ipynb?token={voila_server.token}")
    opened.page.get_by_role("heading", name=heading).wait_for(timeout=1000 * PAGE_WITHIN)
    opened.page.locator(".ganfit").first.wait_for()
    page = time.monotonic() - begin
    assert page < PAGE_WITHIN
    assert opened.page.get_by_text(result).count() == 0
    (tmp_path / "allowed").touch()
    opened.page.get_by_text(result).first.wait_for(timeout=180_000)
    print(f"{name}: page after {page:.1f} s, result after {time.monotonic() - begin:.1f} s")
    assert opened.page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
