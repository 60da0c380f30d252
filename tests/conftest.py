"""Shapes in signatures are checked while testing; every test starts from the same seed."""

from jaxtyping import install_import_hook

install_import_hook("ganfit_nb", "beartype.beartype")
install_import_hook("ganfit_widgets", "type_check.checked")

import pytest
import torch


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
