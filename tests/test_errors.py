"""How a GanfitError is told in a notebook."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

CODE = """from ganfit_nb import Photo
Photo.open("nobody.jpg")"""


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_a_notebook_shows_the_sentence_alone(shell, capsys):
    result = shell.run_cell(CODE)
    assert capsys.readouterr().out.strip() == str(result.error_in_exec) == "There is no file nobody.jpg."
