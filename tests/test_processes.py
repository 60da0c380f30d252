"""The command as a process: interrupted, without a reader, on a poor console, on a full disk."""

import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from ganfit_nb.assets import asset_path
from ganfit_nb.commands.cli import main
from ganfit_nb.versions import versions

PORTRAIT = asset_path("astronaut.png")
GANFIT = [sys.executable, "-c", "import sys; from ganfit_command import main; sys.exit(main())"]
FIT = [*GANFIT, "fit", "--steps", "0", "--out", "out"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, pipes and limits of POSIX")


def begin(command, folder, **more):
    return subprocess.Popen(
        [str(word) for word in command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
    )


def test_an_interrupt_while_it_loads_is_one_line(tmp_path):
    for module in (b"numpy", b"torch.types"):
        with begin([GANFIT[0], "-X", "importtime", *GANFIT[1:]], tmp_path) as process:
            for line in process.stderr:
                if line.split()[-1] == module:
                    process.send_signal(signal.SIGINT)
                    break
            error = [line for line in process.stderr if not line.startswith(b"import time:")]
        assert (process.returncode, error) == (130, [b"ganfit: interrupted.\n"])


def test_the_command_alone_explains_itself_and_knows_its_version(capsys):
    assert main([]) == 0
    told = capsys.readouterr().out
    assert "usage: ganfit" in told
    assert "ganfit fit PHOTO" in told
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"ganfit {versions()['ganfit_nb']}\n"


def test_whoever_closes_the_pipe_still_gets_the_results(tmp_path):
    with begin(FIT, tmp_path) as process:
        process.stdout.close()
        process.stderr.close()
        assert process.wait() == 0
    assert (tmp_path / "out" / "astronaut" / "fit.json").is_file()


def test_names_that_the_console_cannot_show_are_no_obstacle(tmp_path):
    shutil.copy(PORTRAIT, tmp_path / "Ольга.png")
    poor = os.environ | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    with begin([*FIT, "Ольга.png"], tmp_path, env=poor) as process:
        told, error = process.communicate()
    assert process.returncode == 0, error
    assert b"\\u041e\\u043b" in told or b"\\udcd0\\udc9e" in told
    assert (tmp_path / "out" / "Ольга" / "fit.json").is_file()


def test_a_line_break_in_a_name_does_not_break_the_line(tmp_path, capsys):
    assert main(["fit", str(tmp_path / "a\nb\x1b[31m.jpg"), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "\x1b" not in error


def test_a_disk_that_is_full_is_one_line_and_the_earlier_result_stays(tmp_path):
    import resource

    with begin(FIT, tmp_path) as process:
        assert process.wait() == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    def almost_full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    with begin([*FIT, "--seed", "3"], tmp_path, preexec_fn=almost_full) as process:
        error = process.communicate()[1].splitlines()
    assert process.returncode == 1
    assert error[-1].startswith(b"ganfit: Cannot write to")
    assert not any(b"Traceback" in line for line in error)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_a_checkout_that_was_never_installed_has_no_version_and_fits_all_the_same(monkeypatch):
    def unknown(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("ganfit_nb.versions.version", unknown)
    assert versions() == {}


def test_what_nobody_foresaw_is_one_line_too(monkeypatch, capsys):
    def broken(options):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("ganfit_nb.commands.doctor.run", broken)
    assert main(["doctor"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("ganfit: something went wrong that should not (ZeroDivisionError: division by zero)")
    assert error.count("\n") == 1
    monkeypatch.setenv("GANFIT_TRACEBACK", "1")
    assert main(["doctor"]) == 1
    assert "Traceback" in capsys.readouterr().err
