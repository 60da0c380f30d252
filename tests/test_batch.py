"""Batches: what is done, what is done again, and what survives a photo or a process that goes wrong."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fake_recipes import DeadlyRecipe, fake_tasks, times_begun
from PIL import Image

from ganfit_nb import GanfitError
from ganfit_nb.assets import asset_path
from ganfit_nb.batches.batch import fit_all, tasks_of, written
from ganfit_nb.batches.workers import workers
from ganfit_nb.commands.cli import main
from ganfit_nb.files.outputs import complete_result, locked
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.results.recipe import Recipe

PORTRAIT = asset_path("astronaut.png")


def outcomes(tasks, jobs=1):
    with workers(jobs):
        return {outcome.name: outcome for outcome in fit_all(tasks)}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Two portraits and two files that are none, fitted by the command in this process."""
    folder = tmp_path_factory.mktemp("batch")
    photos = folder / "photos"
    (photos / "sub").mkdir(parents=True)
    Image.open(PORTRAIT).convert("L").save(photos / "grey.png")
    Image.open(PORTRAIT).convert("RGB").save(photos / "sub" / "colour.jpg")
    (photos / "text.jpg").write_text("hello")
    (photos / "sub" / "cut.jpg").write_bytes((photos / "sub" / "colour.jpg").read_bytes()[:9_000])
    return folder


def command(folder, *more):
    return main(["fit", str(folder / "photos"), "--out", str(folder / "out"), "--steps", "0", "--jobs", "1", *more])


def table(folder):
    with (folder / "out" / "batch.csv").open(newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def states(folder):
    files = sorted((folder / "out").rglob("fit.json"))
    return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


def test_good_photos_are_fitted_once_and_bad_ones_explained(mixed, capsys):
    assert command(mixed) == 1
    first, told = states(mixed), capsys.readouterr()
    assert sorted(file.parent.relative_to(mixed / "out").as_posix() for file in first) == ["grey", "sub/colour"]
    assert "2 fitted, 2 failed" in told.out
    rows = table(mixed)
    assert {name: row["status"] for name, row in rows.items()} == {
        "grey": "fitted",
        "sub/colour": "fitted",
        "text": "failed",
        "sub/cut": "failed",
    }
    assert "is not an image" in rows["text"]["reason"]
    assert "damaged or incomplete" in rows["sub/cut"]["reason"]
    assert float(rows["grey"]["identity_distance"]) > 0
    assert not list((mixed / "out").rglob(".*"))

    assert command(mixed) == 1
    assert states(mixed) == first
    assert "2 fitted (2 of them before), 2 failed" in capsys.readouterr().out


def test_other_settings_are_refused_and_nothing_is_lost(mixed, capsys):
    command(mixed)
    before, rows = states(mixed), table(mixed)
    capsys.readouterr()
    assert command(mixed, "--seed", "3") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("ganfit: ")
    assert "other settings (seed 0, not 3)" in error
    assert (states(mixed), table(mixed)) == (before, rows)


def test_points_by_hand_belong_to_one_photo(mixed, capsys):
    assert command(mixed, "--landmarks", "face.pts") == 1
    assert "belongs to one photo" in capsys.readouterr().err


def test_a_changed_photo_and_half_a_fit_are_begun_anew(tmp_path):
    tasks = fake_tasks(tmp_path, {"whole": "good", "changed": "good", "half": "good", "interrupted": "good"})
    outcomes(tasks)
    out = tmp_path / "out"
    later = time.time() + 5
    os.utime(tmp_path / "photos" / "changed.jpg", (later, later))
    shutil.rmtree(out / "half")
    half = complete_result(out / "half", interrupted=False)
    begun = half.__enter__()  # and never left, as by a process that was killed
    (begun / "mesh.obj").touch()
    record = out / "interrupted" / "fit.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"interrupted": True}))
    told = outcomes(tasks)
    assert {name for name, outcome in told.items() if outcome.earlier} == {"whole"}
    assert times_begun(tmp_path) == {"whole": 1, "changed": 2, "half": 2, "interrupted": 2}
    assert sorted(path.name for path in out.iterdir()) == ["changed", "half", "interrupted", "whole"]
    assert not begun.exists()


def test_whatever_goes_wrong_with_a_photo_stays_with_it(tmp_path):
    """In processes of their own: one photo kills whoever fits it."""
    contents = {"a": "good", "b": "bad", "c": "deadly", "d": "odd", "e": "good", "f": "good"}
    told = outcomes(fake_tasks(tmp_path, contents), jobs=2)
    assert {name: outcome.status for name, outcome in told.items()} == {
        name: "fitted" if content == "good" else "failed" for name, content in contents.items()
    }
    assert told["b"].reason == "b.jpg is bad."
    assert told["c"].reason.startswith("2 processes died")
    assert told["d"].reason == "ZeroDivisionError: division by zero"
    assert times_begun(tmp_path)["c"] == 2


def test_models_that_no_process_can_load_are_one_sentence(tmp_path):
    tasks = [replace(task, recipe=DeadlyRecipe()) for task in fake_tasks(tmp_path, {"a": "good"})]
    with pytest.raises(GanfitError, match="died while it loaded the models"):
        outcomes(tasks, jobs=2)


BATCH = """
import sys, pathlib
from fake_recipes import fake_tasks
from ganfit_nb.batches.batch import fit_all, tasks_of, written
from ganfit_nb.batches.workers import workers
with workers(2):
    for outcome in fit_all(fake_tasks(pathlib.Path(sys.argv[1]), {f"p{k}": "good" for k in range(16)})):
        print(outcome.name, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_batch_killed_half_way_goes_on_where_it_stopped(tmp_path):
    here = [str(Path(__file__).parent), *sys.path]
    run = [sys.executable, "-c", BATCH, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(here)}
    with subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, text=True) as batch:
        for _ in range(4):
            batch.stdout.readline()
        batch.send_signal(signal.SIGKILL)
    done = states(tmp_path)
    assert 4 <= len(done) < 16
    told = outcomes(fake_tasks(tmp_path, {f"p{k}": "good" for k in range(16)}))
    assert {outcome.status for outcome in told.values()} == {"fitted"}
    assert len(told) == len(states(tmp_path)) == 16
    assert states(tmp_path).items() >= done.items()
    assert {name for name, outcome in told.items() if outcome.earlier} >= {file.parent.name for file in done}
    assert not list((tmp_path / "out").glob(".*"))


def test_a_second_batch_on_a_folder_says_so_and_touches_nothing(tmp_path):
    tasks = fake_tasks(tmp_path, {"a": "good"})
    with locked(tmp_path / "out"), pytest.raises(GanfitError, match="Another ganfit works on"):
        outcomes(tasks)
    assert not (tmp_path / "begun.txt").exists()
    assert not (tmp_path / "out" / "a").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes")
def test_a_name_that_is_not_unicode_stops_no_batch(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    tasks = fake_tasks(tmp_path, {name: "good", "b": "good"})
    with workers(1):
        told = list(written(fit_all(tasks), tmp_path / "out"))
    assert {outcome.status for outcome in told} == {"fitted"}
    assert (tmp_path / "out" / name / "fit.json").is_file()
    assert "caf\\udce9,/" in (tmp_path / "out" / "batch.csv").read_text(encoding="utf-8")


def test_a_table_of_somebody_else_stays_and_nothing_is_fitted(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "batch.csv").write_text("batch,flour\n1,500 g\n")
    with workers(1), pytest.raises(GanfitError, match="was not written by ganfit"):
        list(written(fit_all(fake_tasks(tmp_path, {"a": "good"})), tmp_path / "out"))
    assert (tmp_path / "out" / "batch.csv").read_text() == "batch,flour\n1,500 g\n"
    assert not (tmp_path / "begun.txt").exists()


def test_a_scheduler_that_does_not_answer_is_one_sentence():
    pytest.importorskip("distributed")
    with pytest.raises(GanfitError, match="No Dask scheduler answers"), workers(scheduler="nonsense"):
        pass
    with pytest.raises(GanfitError, match="at least one job"), workers(jobs=0):
        pass


@pytest.mark.parametrize(
    "change", [{"contents": []}, {"weights": None}, {"seed": [1]}, {"steps": {}}, {"face": "left"}]
)
def test_a_record_that_says_something_odd_is_one_of_other_settings(mixed, change):
    command(mixed)
    path = mixed / "out" / "grey" / "fit.json"
    whole = path.read_text()
    try:
        path.write_text(json.dumps(json.loads(whole) | change))
        with pytest.raises(GanfitError, match="other settings"):
            fit_all(tasks_of({"grey": mixed / "photos" / "grey.png"}, mixed / "out", Recipe(FitConfig(steps=0))))
    finally:
        path.write_text(whole)
