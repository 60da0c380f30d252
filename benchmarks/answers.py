"""How long a person waits for an answer of the FitPlayer while a fit runs, in JupyterLab in Chromium:
python benchmarks/answers.py [FOLDER ...] [--rounds N]

Each FOLDER is a checkout of the repository, by default this one. They take turns, so that other processes disturb them
alike: trust the differences. The seconds begin with the click or key and end when the page shows the answer: Pause
greyed out, the weight of a switched-off term greyed out, an earlier step's pictures.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser.conftest import ARGUMENTS, chromium_path
from browser.opened import WIDTH, Opened
from browser.servers import jupyter_lab

HERE = Path(__file__).resolve().parents[1]
FROM = """import sys
sys.path[:0] = [{0!r}, {0!r} + "/widgets"]"""
PLAYER = """from ganfit_nb import FaceModel, FitConfig, Photo
from ganfit_nb.assets import asset_path
from ganfit_widgets import FitPlayer
player = FitPlayer(Photo.open(asset_path("astronaut.png")), FaceModel.default(), FitConfig(steps=2000, size=192))
player"""
# Only the newest step says how many follow in a second: the line without it is an earlier one's.
ANSWER = """async ([action]) => {
    const widgets = document.querySelector('.ganfit');
    const pause = [...widgets.querySelectorAll('button')].find(b => b.textContent.trim() === 'Pause');
    const term = [...widgets.querySelectorAll('label')].find(l => l.textContent.trim() === 'landmark');
    const box = term.querySelector('input'), handles = [...widgets.querySelectorAll('.noUi-handle')];
    const weight = term.closest('.widget-hbox').querySelector('.noUi-target');
    const status = () => widgets.querySelector('.ganfit-row .widget-html').textContent;
    const acts = {
        Pause: [() => pause.click(), () => pause.disabled],
        toggle: [() => box.click(), () => weight.hasAttribute('disabled')],
        scrub: [() => handles[0].dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true})),
                () => !status().includes('steps/s')],
    };
    const [act, answered] = acts[action], start = performance.now();
    act();
    while (!answered()) await new Promise(next => setTimeout(next, 2));
    const seconds = (performance.now() - start) / 1000;
    if (action === 'toggle') box.click();
    return seconds; }"""
ACTIONS = ("Pause", "toggle", "scrub")


def seconds_until_answered(opened: Opened, action: str) -> float:
    """In the middle of a fit that plays; it is paused afterwards."""
    opened.button("Play").click()
    opened.page.wait_for_timeout(2500)
    seconds = opened.page.evaluate(ANSWER, [action])
    if opened.button("Pause").is_enabled():
        opened.button("Pause").click()
    opened.wait(lambda: opened.ask("print(player.playing, player._task.done())") == "False True")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=[HERE])
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    waits = defaultdict(list)
    with ExitStack() as stack:
        server = stack.enter_context(jupyter_lab(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        pages = {}
        for folder in options.folders:
            pages[folder] = Opened(browser.new_context(viewport={"width": WIDTH, "height": 900}).new_page())
            pages[folder].in_lab(server, [FROM.format(str(folder.resolve())), PLAYER])
            pages[folder].button("Play").wait_for()
            pages[folder].wait(lambda opened=pages[folder]: opened.ask("print(player.index)") == "-1")
        for _ in range(options.rounds):
            for action in ACTIONS:
                for folder, opened in pages.items():
                    waits[action, folder].append(seconds_until_answered(opened, action))
    for (action, folder), seconds in waits.items():
        each = " ".join(f"{wait:.2f}" for wait in sorted(seconds))
        print(f"{action:>6} {folder}: median {statistics.median(seconds):.3f} s of {each}")


if __name__ == "__main__":
    main()
