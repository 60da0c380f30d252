"""JupyterLab and Voila for the browser tests: on a free port, behind a token, with settings of their own."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_WITHIN = 60  # seconds
OWN_FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")


@dataclass(frozen=True)
class Server:
    """A running server that shows the notebooks in `root`."""

    port: int
    token: str
    root: Path

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def jupyter_lab(directory: Path) -> Iterator[Server]:
    """JupyterLab without its news, and without the settings of whoever runs the tests."""
    settings = directory / "app_settings"
    settings.mkdir(parents=True)
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "overrides.json").write_text(json.dumps(quiet), encoding="utf-8")
    server = _new_server(directory)
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": server.port,
        "ServerApp.root_dir": server.root,
        "IdentityProvider.token": server.token,
        "LabServerApp.app_settings_dir": settings,
        "LabApp.expose_app_in_browser": True,
        "JupyterNotebookApp.expose_app_in_browser": True,
    }
    with _running(["jupyterlab", "--allow-root"], options, f"{server.url}/lab?token={server.token}", directory):
        yield server


@contextmanager
def voila(directory: Path) -> Iterator[Server]:
    """Voila, which runs a notebook when it is opened and shows its outputs alone."""
    server = _new_server(directory)
    options = {"Voila.ip": "127.0.0.1", "Voila.port": server.port, "Voila.token": server.token}
    with _running(["voila", str(server.root)], options, f"{server.url}?token={server.token}", directory):
        yield server


def _new_server(directory: Path) -> Server:
    root = directory / "notebooks"
    root.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Server(probe.getsockname()[1], secrets.token_hex(16), root)


@contextmanager
def _running(command: list[str], options: dict[str, object], url: str, directory: Path) -> Iterator[None]:
    arguments = [f"--{name}={value}" for name, value in options.items()]
    own = {name: str(directory / name) for name in OWN_FOLDERS}
    log = directory / "server.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--no-browser", *arguments],
            stdout=output,
            stderr=output,
            env=os.environ | own,
        )
        try:
            _wait(url, process, log)
            yield
        finally:
            process.terminate()
            process.wait(20)


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise RuntimeError(f"The server did not start:\n{log.read_text(encoding='utf-8')[-3000:]}")
