import pytest
import torch
from safetensors.torch import save_file

from ganfit_nb.errors import GanfitError
from ganfit_nb.fitting.adam import AdamState, adam_update
from ganfit_nb.parameters import FaceParameters


def random_parameters() -> FaceParameters:
    return FaceParameters(*(torch.randn(n) for n in (158, 29, 40, 7, 9)))


def test_saved_parameters_load_equal(tmp_path):
    parameters = random_parameters()
    parameters.save(tmp_path / "p.safetensors")
    loaded = FaceParameters.load(tmp_path / "p.safetensors")
    for name, value in parameters.items():
        assert torch.equal(value, getattr(loaded, name))


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff\xff\xff\x3f\0\0\0\0{}"])
def test_a_file_that_is_no_parameters_is_explained(tmp_path, content):
    path = tmp_path / "p.safetensors"
    path.write_bytes(content)
    with pytest.raises(GanfitError, match="holds no face parameters"):
        FaceParameters.load(path)


def test_an_absent_file_and_a_folder_are_explained(tmp_path):
    with pytest.raises(GanfitError, match="no file"):
        FaceParameters.load(tmp_path / "p.safetensors")
    with pytest.raises(GanfitError, match="is a directory"):
        FaceParameters.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"camera": torch.zeros(6)},
        {"light": torch.full((9,), float("nan"))},
        {"texture": torch.zeros(40, dtype=torch.int64)},
        {"identity": torch.zeros(2, 79)},
    ],
    ids=["length", "nan", "integers", "matrix"],
)
def test_parameters_of_another_form_are_refused(tmp_path, change):
    save_file({**dict(random_parameters().items()), **change}, tmp_path / "p.safetensors")
    with pytest.raises(GanfitError, match="holds no face parameters"):
        FaceParameters.load(tmp_path / "p.safetensors")


def test_detached_parameters_share_nothing():
    parameters = random_parameters()
    copy = parameters.detached()
    before = copy.identity.clone()
    parameters.identity.add_(1)
    assert torch.equal(copy.identity, before)


def test_adam_follows_torch():
    start = random_parameters()
    rates = start.map(lambda value: torch.full_like(value, 0.01))
    reference = {name: value.clone().requires_grad_() for name, value in start.items()}
    optimizer = torch.optim.Adam(reference.values(), lr=0.01)
    ours, state = start, AdamState.zero(start)
    for _ in range(20):
        loss = sum((value - 1).square().sum() + value.sin().sum() for value in reference.values())
        optimizer.zero_grad()
        loss.backward()
        gradient = ours.map(lambda value: 2 * (value - 1) + value.cos())
        ours, state = adam_update(ours, gradient, rates, state)
        optimizer.step()
    for name, value in ours.items():
        torch.testing.assert_close(value, reference[name].detach(), atol=1e-5, rtol=1e-5)
