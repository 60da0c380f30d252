import json
import os

import pytest

from ganfit_nb.errors import GanfitError
from ganfit_nb.export import complete_directory, writable_directory, write_json


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "a" / "face"
    with complete_directory(target) as work:
        (work / "x").write_text("1")
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["x"]
    assert [p.name for p in target.parent.iterdir()] == ["face"]


def test_a_failed_block_leaves_the_earlier_result_and_nothing_else(tmp_path):
    target = tmp_path / "face"
    with complete_directory(target) as work:
        (work / "x").write_text("first")
    with pytest.raises(UnicodeEncodeError), complete_directory(target) as work:
        (work / "x").write_text("\ud800", encoding="utf-8")
    assert (target / "x").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["face"]


def test_a_second_run_replaces_the_first(tmp_path):
    for name in ("old", "new"):
        with complete_directory(tmp_path / "face") as work:
            (work / name).write_text("")
    assert [p.name for p in (tmp_path / "face").iterdir()] == ["new"]


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


def test_json_never_holds_a_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not (tmp_path / "x.json").exists()
    write_json(tmp_path / "x.json", {"value": 1.5})
    assert json.loads((tmp_path / "x.json").read_text()) == {"value": 1.5}
