"""How a GanfitError is told in a notebook and on the command line."""

import pickle

import pytest
from IPython.core.interactiveshell import InteractiveShell

from ganfit_nb import GanfitError
from ganfit_nb.commands.console import complain

CODE = """from ganfit_nb import Photo
Photo.open("nobody.jpg")"""


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_a_notebook_shows_the_sentence_alone(shell, capsys):
    result = shell.run_cell(CODE)
    assert capsys.readouterr().out.strip() == str(result.error_in_exec) == "There is no file nobody.jpg."


def test_the_library_names_its_argument_and_the_command_line_its_option(capsys):
    error = pickle.loads(pickle.dumps(GanfitError("There is no face; mark its points.", "detector")))  # of a worker
    assert str(error) == "There is no face; mark its points (argument `detector`)."
    complain(error)
    assert capsys.readouterr().err == "ganfit: There is no face; mark its points (--landmarks FILE.pts).\n"
