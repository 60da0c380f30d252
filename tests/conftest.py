"""Shapes in signatures are checked while testing; every test starts from the same seed."""

import os

# Two spinning thread pools on two cores starve each other; the workqueue pool sleeps instead.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")

from jaxtyping import install_import_hook

install_import_hook("ganfit_nb", "beartype.beartype")

import pytest
import torch


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
