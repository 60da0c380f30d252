import json

import pytest
import torch

from ganfit_nb import FaceParameters, GanfitError
from ganfit_nb.files.outputs import write_json
from ganfit_nb.results.export import as_lists, from_lists


def test_json_never_holds_a_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not (tmp_path / "x.json").exists()
    write_json(tmp_path / "x.json", {"value": 1.5})
    assert json.loads((tmp_path / "x.json").read_text()) == {"value": 1.5}


def test_parameters_come_back_from_a_record_and_nothing_else_does():
    parameters = FaceParameters(*(torch.arange(count, dtype=torch.float32) for count in (3, 2, 4, 7, 9)))
    lists = as_lists(parameters)
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(from_lists(lists).items(), parameters.items(), strict=True))
    for wrong in (
        {},
        lists | {"camera": [1.0]},
        lists | {"identity": [float("nan")] * 3},
        lists | {"identity": [[1.0]]},
        lists | {"identity": "none"},
        lists | {"identity": [10**400]},
        lists | {"more": [1.0]},
    ):
        with pytest.raises(GanfitError, match="no parameters"):
            from_lists(wrong)
