"""What may be replaced, and that nothing else is."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ganfit_nb import GanfitError
from ganfit_nb.files.outputs import (
    RECORD,
    claim_file,
    claim_folder,
    claim_results,
    complete_directory,
    complete_result,
    has_header,
    has_keys,
    is_result,
    is_signed,
    locked,
    never,
    remove_leftovers,
    replaced,
    save_png,
    signed_words,
    starts_with,
    writable_directory,
    write_json,
)
from ganfit_nb.files.stored import stored_record

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and bytes in names as POSIX has them")


def record(interrupted=False):
    return dict.fromkeys(RECORD, 0) | {"interrupted": interrupted}


def write_result(folder, interrupted=False, word="old"):
    with complete_result(folder, interrupted) as work:
        (work / "mesh.obj").write_text(word)
        write_json(work / "fit.json", record(interrupted))
    return folder


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def everything(folder):
    """Every file below a folder with its content."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "a" / "face"
    with complete_directory(target, never) as work:
        (work / "x").write_text("1")
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["x"]
    assert [p.name for p in target.parent.iterdir()] == ["face"]


def test_a_failed_block_leaves_the_earlier_result_and_nothing_else(tmp_path):
    target = write_result(tmp_path / "face")
    with pytest.raises(UnicodeEncodeError), complete_result(target, False) as work:
        (work / "mesh.obj").write_text("\ud800", encoding="utf-8")
    assert (target / "mesh.obj").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["face"]


def test_a_second_run_replaces_the_first(tmp_path):
    for word in ("old", "new"):
        write_result(tmp_path / "face", word=word)
    assert (tmp_path / "face" / "mesh.obj").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["face"]


def test_a_finished_result_stays_where_an_interrupted_one_would_take_its_place(tmp_path):
    write_result(tmp_path / "face")
    with pytest.raises(GanfitError, match="holds a finished result, which stays"):
        write_result(tmp_path / "face", interrupted=True, word="new")
    assert (tmp_path / "face" / "mesh.obj").read_text() == "old"
    write_result(tmp_path / "other", interrupted=True)
    write_result(tmp_path / "other", interrupted=True, word="newer")
    assert (tmp_path / "other" / "mesh.obj").read_text() == "newer"


def foreign(folder, kind):
    """A folder `eva` of the user's."""
    eva = folder / "eva"
    match kind:
        case "no result":
            eva.mkdir()
            (eva / "diary.txt").write_text("dear diary")
        case "another file beside a result":
            (write_result(eva) / "mesh.blend1").write_text("work of a day")
        case "a folder in a result":
            (write_result(eva) / "old").mkdir()
        case "a link in a result":
            (write_result(eva) / "texture.png").symlink_to(folder)
        case "a fit.json of another program":
            eva.mkdir()
            (eva / "fit.json").write_text('{"weight": 62}')
        case "a fit.json that is a list":
            eva.mkdir()
            (eva / "fit.json").write_text("[]")
        case "a fit.json that is a pipe":
            eva.mkdir()
            os.mkfifo(eva / "fit.json")
        case "a file":
            eva.write_text("eva")
        case "a dangling link":
            eva.symlink_to(folder / "nowhere")
        case "a link to a result":
            write_result(folder / "elsewhere")
            eva.symlink_to(folder / "elsewhere")
    return eva


@POSIX
@pytest.mark.parametrize(
    "kind",
    [
        "no result",
        "another file beside a result",
        "a folder in a result",
        "a link in a result",
        "a fit.json of another program",
        "a fit.json that is a list",
        "a fit.json that is a pipe",
        "a file",
        "a dangling link",
        "a link to a result",
    ],
)
def test_what_is_not_ours_is_never_replaced(tmp_path, kind):
    eva = foreign(tmp_path, kind)
    before, names = everything(tmp_path), names_in(tmp_path)
    for claim in (lambda: claim_results(tmp_path, ["eva"]), lambda: write_result(eva)):
        with pytest.raises(GanfitError) as caught:
            claim()
        assert str(eva) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert everything(tmp_path) == before
    assert names_in(tmp_path) == names


def test_a_mount_point_is_never_replaced(tmp_path, monkeypatch):
    write_result(tmp_path / "eva")
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "eva")
    with pytest.raises(GanfitError, match="mount point"):
        claim_results(tmp_path, ["eva"])


def test_an_empty_folder_and_the_traces_of_file_managers_are_no_obstacle(tmp_path):
    (tmp_path / "empty").mkdir()
    (write_result(tmp_path / "shown") / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    claim_results(tmp_path, ["empty", "shown"])
    for name in ("empty", "shown"):
        assert is_result(write_result(tmp_path / name))


def test_files_that_come_while_a_fit_runs_are_not_lost(tmp_path):
    def fit_while_somebody_writes():
        with complete_result(tmp_path / "eva", False) as work:
            write_json(work / "fit.json", record())
            (tmp_path / "eva").mkdir()
            (tmp_path / "eva" / "diary.txt").write_text("dear diary")

    with pytest.raises(GanfitError, match="holds more than a result"):
        fit_while_somebody_writes()
    assert everything(tmp_path) == {tmp_path / "eva" / "diary.txt": b"dear diary"}


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["."], "cannot be called"),
        ([".."], "cannot be called"),
        (["a/../b"], "cannot be called"),
        (["/etc"], "cannot be called"),
        ([""], "cannot be called"),
        (["eva", "Eva"], "would both be written"),
        (["é", "e\u0301"], "would both be written"),
        (["eva", "eva"], "would both be written"),
        (["1998", "1998/eva"], "would lie inside"),
        (["1998/eva", "1998"], "would lie inside"),
        (["shared"], "would both be written"),
        (["Shared/1"], "would lie inside"),
        (["x" * 256], "longer name"),
        (["ж" * 128], "longer name"),
    ],
)
def test_names_that_cannot_all_be_results_are_one_sentence(tmp_path, names, message):
    with pytest.raises(GanfitError, match=message) as caught:
        claim_results(tmp_path, names, reserved=["shared"])
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_no_result_lies_inside_one_of_an_earlier_run(tmp_path):
    write_result(tmp_path / "1998")
    with pytest.raises(GanfitError, match="is a result"):
        claim_results(tmp_path, ["1998/eva"])


@POSIX
def test_the_longest_names_and_names_that_are_not_unicode_are_results_like_any_other(tmp_path):
    names = ["x" * 255, os.fsdecode(b"caf\xe9"), "Ольга", "a\nb", "con", "...a", "100 %"]
    claim_results(tmp_path, names)
    for name in names:
        for word in ("old", "new"):
            write_result(tmp_path / name, word=word)
    assert names_in(tmp_path) == sorted(names)
    with pytest.raises(GanfitError, match="Cannot write to"):
        claim_results(tmp_path / ("y" * 255 + "/") / Path(*["y" * 250] * 16), ["eva"])  # a path of 4,000 bytes


# --- kills and interrupts --------------------------------------------------------------------------------------------


def test_what_a_kill_between_two_renames_left_comes_back(tmp_path):
    target = write_result(tmp_path / "face")
    (former,) = _names_of_former(target)
    target.replace(former)
    assert not target.exists()
    claim_folder(target, is_result)
    assert (target / "mesh.obj").read_text() == "old"


def _names_of_former(target):
    """Where `complete_directory` puts the former result while it is exchanged, as a process that looks on sees it."""
    seen, replace = [], Path.replace
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", lambda self, other: (seen.append(Path(other)), replace(self, other))[1])
        write_result(target)
    return [path for path in seen if path.parent == target.parent and path != target]


def test_leftovers_of_killed_processes_go_and_foreign_folders_stay(tmp_path):
    target = write_result(tmp_path / "face")
    (former,) = _names_of_former(target)
    prefix = former.name.removesuffix("former")
    (tmp_path / f"{prefix}new-ab12").mkdir()
    (tmp_path / f"{prefix}new-ab12" / "mesh.obj").touch()
    (tmp_path / f"{prefix}mine").mkdir()
    (tmp_path / f"{prefix}mine" / "diary.txt").touch()
    remove_leftovers(target, 60.0)
    assert f"{prefix}new-ab12" in names_in(tmp_path)  # perhaps of a process that is at work
    remove_leftovers(target)
    assert names_in(tmp_path) == sorted(["face", f"{prefix}mine"])


STOPPED = """
import itertools, os, pathlib, signal, sys, time
from ganfit_nb.files.outputs import (
    claim_results, complete_result, is_result, read_record, remove_leftovers, write_json
)

def exchange(number):
    with complete_result(face, False) as work:
        for name in ("mesh.obj", "texture.png"):
            (work / name).write_text(str(number))
        write_json(work / "fit.json", {"interrupted": False, "parameters": {}, "identity_distance": number})

face, sign = pathlib.Path(sys.argv[1], "face"), int(sys.argv[2])
exchange(-1)
for number in range(60):
    begun, begin = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(begin, b"!")  # a signal that comes while Python forks would be lost
            for number in itertools.count():
                exchange(number)
        except KeyboardInterrupt:
            os._exit(0)
    os.read(begun, 1)
    time.sleep(0.00137 * number)
    os.kill(child, sign)
    os.waitpid(child, 0)
    claim_results(face.parent, ["face"])
    remove_leftovers(face)
    assert [path.name for path in face.parent.iterdir()] == ["face"]
    words = {(face / name).read_text() for name in ("mesh.obj", "texture.png")}
    assert is_result(face) and words == {str(read_record(face / "fit.json")["identity_distance"])}
"""


@POSIX
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_whenever_a_process_is_stopped_there_is_one_whole_result(tmp_path, sign):
    """Sixty times, at other moments of a result being written over and over."""
    command = [sys.executable, "-c", STOPPED, tmp_path, str(int(sign))]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_sentence_and_the_earlier_result_stays(tmp_path):
    target = write_result(tmp_path / "face")

    def write_to_a_full_disk():
        with complete_result(target, False) as work:
            (work / "mesh.obj").symlink_to("/dev/full")
            (work / "mesh.obj").write_text("x" * 100_000)

    with pytest.raises(GanfitError, match="No space left"):
        write_to_a_full_disk()
    assert (target / "mesh.obj").read_text() == "old"
    assert names_in(tmp_path) == ["face"]


# --- locks -----------------------------------------------------------------------------------------------------------


def test_a_folder_has_one_owner_at_a_time_and_the_lock_leaves_no_trace(tmp_path):
    with locked(tmp_path / "out"):
        with pytest.raises(GanfitError, match="Another ganfit works on"), locked(tmp_path / "out"):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(tmp_path / "out"):
        pass
    assert not any((tmp_path / "out").iterdir())


HOLD = """
import sys, time, pathlib
from ganfit_nb.files.outputs import locked
with locked(pathlib.Path(sys.argv[1])):
    print("begun", flush=True)
    time.sleep(60)
"""


@POSIX
def test_a_killed_owner_leaves_the_folder_to_others(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(GanfitError, match="Another ganfit works on"), locked(tmp_path):
            pass
        process.kill()
    with locked(tmp_path):
        pass
    assert not any(tmp_path.iterdir())


# --- files -----------------------------------------------------------------------------------------------------------


def test_files_of_ours_are_known_by_their_content_and_others_stay(tmp_path):
    for name, content, foreign, ours in (
        ("batch.csv", "name,photo\na,b\n", "name,shoe size\neva,38\n", has_header(["name", "photo"])),
        ("lfw.json", '{"data": 1, "judge": 2}', "[]", has_keys("data", "judge")),
        ("table.txt", "MICC, rigid", "milk, eggs", starts_with("MICC, ")),
    ):
        path = tmp_path / name
        claim_file(path, ours)
        path.write_text(content)
        claim_file(path, ours)
        path.write_text(foreign)
        with pytest.raises(GanfitError, match="was not written by ganfit"):
            claim_file(path, ours)
        path.write_bytes(b"\xff\xfe\0")
        with pytest.raises(GanfitError, match="was not written by ganfit"):
            claim_file(path, ours)
        assert path.read_bytes() == b"\xff\xfe\0"


def test_pictures_of_ours_are_signed(tmp_path):
    path = tmp_path / "known-3.png"
    Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(GanfitError, match="was not written by ganfit"):
        claim_file(path, is_signed)
    save_png(Image.new("RGB", (8, 8)), path, "the third")
    claim_file(path, is_signed)
    assert signed_words(path) == "the third"
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(GanfitError, match="was not written by ganfit"):
        claim_file(path, is_signed)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"value": 1.5})
    with pytest.raises(UnicodeEncodeError), replaced(path) as work:
        work.write_text("half\ud800", encoding="utf-8")
    assert json.loads(path.read_text()) == {"value": 1.5}
    assert names_in(tmp_path) == ["x.json"]


def test_a_file_in_the_way_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GanfitError, match="Cannot write to"):
        writable_directory(tmp_path / "file" / "out")


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_read_only_folder_is_explained(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(GanfitError, match="Cannot write to"):
        writable_directory(tmp_path / "out")


def test_a_stored_record_is_taken_until_a_source_is_newer_and_never_anothers(tmp_path):
    path, source = tmp_path / "x.json", tmp_path / "source"
    assert stored_record(path, ("value",), source) == {}
    source.touch()
    write_json(path, {"value": 1.5})
    assert stored_record(path, ("value",), source) == {"value": 1.5}
    later = path.stat().st_mtime + 5
    os.utime(source, (later, later))
    assert stored_record(path, ("value",), source) == {}
    with pytest.raises(GanfitError, match="was not written by ganfit"):
        stored_record(path, ("other",))
