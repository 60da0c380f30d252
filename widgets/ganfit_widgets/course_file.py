"""Saves and loads a course of a fit: every step, with all that is needed to go on from it.

Results of the command line can be loaded, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.reading import reading, require_file
from ganfit_nb.fitting.adam import AdamState
from ganfit_nb.fitting.gauss_newton import NewtonState
from ganfit_nb.fitting.steps import FitStep
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.results.export import from_lists

FORM = "ganfit course 1"
AT_MOST = 1 << 28  # largest file in bytes; a step takes nine thousand
OTHERWISE = "is no saved course of a fit; give a file that Save wrote, or a folder that ganfit fit wrote."
Tensors = dict[str, Tensor]


def save_course(path: Path, steps: Sequence[FitStep], photo: str) -> None:
    """Writes all `steps`, and the name of the photo that they belong to."""
    tensors: Tensors = {}
    records = []
    for number, step in enumerate(steps):
        _put(tensors, f"{number}", step.parameters)
        record: dict[str, Any] = {
            name: getattr(step, name) for name in ("stage", "index", "losses", "weights", "gradient_norms", "seconds")
        }
        if isinstance(step.optimizer, AdamState):
            _put(tensors, f"{number}.first", step.optimizer.first)
            _put(tensors, f"{number}.second", step.optimizer.second)
            record["counts"] = dict(step.optimizer.counts)
        else:
            record["damping"], record["converged"] = step.optimizer.damping, step.optimizer.converged
        records.append(record)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path, {"form": FORM, "photo": photo, "steps": json.dumps(records)})
    except OSError as error:
        raise GanfitError(f"Cannot write {path} ({error.strerror}); choose another place.") from error


def load_course(path: Path, like: FaceParameters, photo: str) -> list[FitStep]:
    """The steps in a file of `save_course`, or the last step of the fit in a folder that `ganfit fit` wrote.

    Raises GanfitError when it is neither. It is also raised when the fit is of another photo than `photo`, or of a
    model whose parameters have other lengths than `like`.
    """
    source, steps = _read_folder(path) if path.is_dir() else _read_file(path)
    if source != photo:
        raise GanfitError(f"{path} was fitted to {source}, not to {photo}; open that photo first.")
    for name, value in steps[0].parameters.items():
        if value.shape != getattr(like, name).shape:
            raise GanfitError(f"{path} was fitted with another model: its {name} has {len(value)} numbers.")
    return steps


def _read_file(path: Path) -> tuple[str, list[FitStep]]:
    with reading(path, OTHERWISE, AT_MOST), safe_open(path, "pt") as file:
        about = file.metadata()
        if about["form"] != FORM:
            raise GanfitError(f"{path} {OTHERWISE}")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (file is no mapping)
        records = json.loads(about["steps"])
        return about["photo"], [_step(tensors, number, record) for number, record in enumerate(records)]


def _step(tensors: Tensors, number: int, record: dict[str, Any]) -> FitStep:
    state: AdamState | NewtonState
    if "counts" in record:
        first, second = _take(tensors, f"{number}.first"), _take(tensors, f"{number}.second")
        state = AdamState(record.pop("counts"), first, second)
    else:
        state = NewtonState(record.pop("damping"), record.pop("converged"))
    return FitStep(parameters=_take(tensors, f"{number}"), optimizer=state, **record)


def _read_folder(folder: Path) -> tuple[str, list[FitStep]]:
    path = folder / "fit.json"
    require_file(path, AT_MOST)
    with reading(path, OTHERWISE, AT_MOST):
        record = json.loads(path.read_text(encoding="utf-8"))
        parameters = from_lists(record["parameters"])
        step = FitStep(
            stage=record["stages"][-1],
            index=record["steps"],
            parameters=parameters,
            losses={name: values[-1] for name, values in record["losses"].items() if values[-1] is not None},
            weights=record["weights"],
            gradient_norms={},
            seconds=record["seconds"],
            optimizer=NewtonState(),
        )
        joint = step.stage == "joint"
        return record["photo"], [replace(step, optimizer=AdamState.zero(parameters)) if joint else step]


def _put(tensors: Tensors, prefix: str, parameters: FaceParameters) -> None:
    # Copies are made, because frozen groups share moments with the step before, and safetensors refuses shared memory.
    tensors |= {f"{prefix}.{name}": value.contiguous().clone() for name, value in parameters.items()}


def _take(tensors: Tensors, prefix: str) -> FaceParameters:
    names = ("identity", "expression", "texture", "camera", "light")
    return FaceParameters(**{name: tensors[f"{prefix}.{name}"] for name in names})
