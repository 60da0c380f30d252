"""A Binder installs what the package says it needs, in the versions that the stored outputs were made with."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {"pytorch-cpu": "torch"}
KERNEL = "ipykernel"  # comes with JupyterLab; its version matters to the widgets


def needed():
    """{name: requirement} of the package and its notebooks, on Linux."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    found, todo = {}, [*project["dependencies"], *extras["lab"]]
    while todo:
        requirement = Requirement(todo.pop())
        if requirement.name == project["name"]:
            todo += [line for extra in requirement.extras for line in extras[extra]]
        elif requirement.marker is None or requirement.marker.evaluate({"sys_platform": "linux"}):
            found[requirement.name] = requirement
    return found


def pinned():
    """{name: version} of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.fixture(scope="module")
def binder():
    """{name: requirement} of binder/environment.yml."""
    *conda, pip = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    split = (line.split("=") for line in conda if "=" in line)
    found = {CONDA_NAMES.get(name, name): Requirement(f"{CONDA_NAMES.get(name, name)}=={v}") for name, v in split}
    return found | {Requirement(line).name: Requirement(line) for line in pip["pip"]}


def test_it_installs_what_is_needed_and_nothing_else(binder):
    assert binder.keys() - {"python", KERNEL} == needed().keys()


def test_its_versions_are_those_of_the_tests(binder):
    assert len(pinned()) > 20
    for name, requirement in binder.items():
        version = pinned().get(name)
        assert version is None or str(requirement.specifier) == f"=={version}", name
        assert version is None or name == KERNEL or needed()[name].specifier.contains(version), name


def test_torch_is_the_cpu_build(binder):
    text = (ROOT / "binder" / "environment.yml").read_text(encoding="utf-8")
    assert f"pytorch-cpu={pinned()['torch']}" in text
