"""Servers and a browser for the tests in this folder, each started once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser.opened import Opened, open_page
from browser.servers import Server, jupyter_lab, voila

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
)


def chromium_path() -> str | None:
    """The system's Chromium, or the one that CHROMIUM names."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


# Ended with the package, not the session: while Playwright runs, no other test may start an event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = chromium_path()
    if not path and os.environ.get("CI"):
        pytest.fail("CI must run the browser tests, and there is no Chromium.")
    if not path:
        pytest.skip("Browser tests need Chromium: install it, or name its executable in the variable CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Server]:
    with jupyter_lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="package")
def voila_server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Server]:
    with voila(tmp_path_factory.mktemp("voila")) as server:
        yield server


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """A page for a notebook of this test's own."""
    with open_page(browser) as opened:
        yield opened


@pytest.fixture
def shot(opened: Opened, request: pytest.FixtureRequest) -> Iterator[None]:
    """Leaves a screenshot of the end of the test in out/browser, to be looked at."""
    yield
    folder = Path("out/browser")
    folder.mkdir(parents=True, exist_ok=True)
    opened.page.screenshot(path=folder / f"{request.node.name}.png")
