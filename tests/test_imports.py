"""What is heavy is imported by those who need it: a notebook's page, and a command's first line, wait for all of it."""

import subprocess
import sys

HEAVY = {"matplotlib", "networkx", "scipy.spatial", "torch._dynamo", "trimesh"}
BEGIN = """import sys
import torch
already = set(sys.modules)
from ganfit_nb import FaceModel
import ganfit_widgets
FaceModel.default()
print(*set(sys.modules) - already)"""


def test_nothing_heavy_is_imported_before_the_first_component():
    imported = subprocess.run([sys.executable, "-c", BEGIN], capture_output=True, text=True, check=True).stdout.split()
    assert "ganfit_widgets" in imported
    assert HEAVY.isdisjoint(imported)
