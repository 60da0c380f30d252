# Every target does all the set-up it needs; nothing outside .venv and out/ is written.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

# Two tests at once, those of a file or of a notebook in one process.
TWO := --numprocesses 2 --dist loadfile

.PHONY: setup demo test lab clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	$(BIN)/python -c "import pathlib; pathlib.Path('.venv/ready').touch()"

demo: setup
	$(BIN)/ganfit fit --out out/demo

test: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest $(TWO) tests
	$(BIN)/python -m pytest $(TWO) --nbval notebooks
	$(BIN)/python tools/try_wheel.py

lab: setup
	$(BIN)/jupyter lab notebooks

clean:
	$(PYTHON) -c "import shutil; [shutil.rmtree(p, ignore_errors=True) for p in ('.venv', 'out')]"
