"""`ganfit doctor` says what works on this machine, what is missing, and which command would add it."""

from __future__ import annotations

import argparse
import importlib.util
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One ability of the installation.

    works   whether it is there
    detail  in which form it is there, or what is missing
    remedy  the command that would add it; empty if none would
    """

    ability: str
    works: bool
    detail: str
    remedy: str = ""


def add_parser(commands: Any) -> None:
    """Adds the command to `ganfit`'s subparsers."""
    commands.add_parser("doctor", help="say what works here and what is missing").set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the findings. Returns 1 when fitting itself does not work, else 0."""
    findings = list(examine())
    for finding in findings:
        print(f"{'works  ' if finding.works else 'missing'}  {finding.ability}: {finding.detail}")
        if not finding.works and finding.remedy:
            print(f"         run: {finding.remedy}")
    return 0 if findings[0].works else 1


def examine() -> Iterator[Finding]:
    """Yields a finding for every ability. The first is fitting itself."""
    yield _fitting()
    yield _compiled()
    yield _cuda()
    yield _packages("notebooks", ("jupyterlab", "ipywidgets", "anywidget", "matplotlib"), "lab")
    yield _packages("batches on a cluster (--scheduler)", ("dask", "distributed"), "cluster")
    yield _packages("models from files (--model)", ("scipy", "h5py"), "models")
    yield _weights("landmarks by FAN (--landmarks fan)", "face_alignment", "fan")
    yield _dlib()
    yield _arcface()


def _fitting() -> Finding:
    import torch

    from ganfit_nb.assets.registry import SHIPPED

    broken = [asset.file for asset in SHIPPED if asset.state() != "present"]
    detail = f"Python {platform.python_version()}, torch {torch.__version__}, {torch.get_num_threads()} thread(s)"
    if broken:
        return Finding("fitting", False, f"damaged: {', '.join(broken)}", "pip install --force-reinstall ganfit_nb")
    return Finding("fitting", True, f"{detail}, {len(SHIPPED)} shipped files verified")


def _compiled() -> Finding:
    import torch

    from ganfit_nb.renderer.rasterize import backend

    compiled = backend(torch.device("cpu")).__name__.endswith("numba")
    detail = "numba" if compiled else "numba is missing or switched off; the renderer is two to three times slower"
    return Finding("compiled renderer on the CPU", compiled, detail, "pip install numba")


def _cuda() -> Finding:
    import torch

    from ganfit_nb.renderer.rasterize import backend

    ability = "CUDA (--device cuda)"
    if not torch.cuda.is_available():
        return Finding(ability, False, "torch sees no CUDA device, or is a build without CUDA")
    rasteriser = backend(torch.device("cuda")).__name__.rsplit("_", 1)[1]
    return Finding(ability, True, f"{torch.cuda.get_device_name()}, rasteriser: {rasteriser}")


def _packages(ability: str, modules: tuple[str, ...], extra: str) -> Finding:
    missing = [module for module in modules if not _installed(module)]
    detail = f"without {', '.join(missing)}" if missing else ", ".join(modules)
    return Finding(ability, not missing, detail, f'pip install "ganfit_nb[{extra}]"')


def _weights(ability: str, module: str, group: str) -> Finding:
    from ganfit_nb.assets.registry import required
    from ganfit_nb.errors import GanfitError

    if not _installed(module):
        return Finding(ability, False, f"without {module}", 'pip install "ganfit_nb[detectors]"')
    try:
        return Finding(ability, True, f"{module}, {required(group)[0]}")
    except GanfitError as error:
        detail, _, remedy = str(error).partition("; run: ")
        return Finding(ability, False, detail, remedy)


def _dlib() -> Finding:
    from ganfit_nb.photos.dlib_landmarks import WEIGHTS, packaged_weights

    ability = "landmarks by dlib (--landmarks dlib)"
    if _installed("dlib") and packaged_weights():
        return Finding(ability, True, f"dlib, {WEIGHTS} of face-recognition-models")
    return _weights(ability, "dlib", "dlib-landmarks")


def _arcface() -> Finding:
    from ganfit_nb.errors import GanfitError
    from ganfit_nb.networks.arcface import LICENCE, find_recogniser, packs_folder

    ability = "identity by ArcFace (--identity arcface)"
    install = 'pip install "ganfit_nb[arcface]"'
    if not _installed("onnx"):
        return Finding(ability, False, "without onnx", install)
    try:
        return Finding(ability, True, f"{find_recogniser('arcface')} ({LICENCE})")
    except GanfitError:
        remedy = "ganfit fit --identity buffalo_l --out DIR" if _installed("insightface") else install
        return Finding(ability, False, f"no usable pack in {packs_folder()}; {LICENCE}", remedy)


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
