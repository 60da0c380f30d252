import pytest
import torch

from ganfit_nb.adam import AdamState, adam_update
from ganfit_nb.errors import GanfitError
from ganfit_nb.parameters import FaceParameters


def random_parameters() -> FaceParameters:
    return FaceParameters(*(torch.randn(n) for n in (158, 29, 40, 7, 9)))


def test_saved_parameters_load_equal(tmp_path):
    parameters = random_parameters()
    parameters.save(tmp_path / "p.safetensors")
    loaded = FaceParameters.load(tmp_path / "p.safetensors")
    for name, value in parameters.items():
        assert torch.equal(value, getattr(loaded, name))


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", None])
def test_a_file_that_is_no_parameters_is_explained(tmp_path, content):
    path = tmp_path / "p.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GanfitError, match="holds no face parameters"):
        FaceParameters.load(path)


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
