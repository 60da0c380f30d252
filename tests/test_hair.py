"""The hair segmentation network, and the hair of a photo at any size."""

import pickle

import pytest
import torch

from ganfit_nb import Photo
from ganfit_nb.assets import asset_path
from ganfit_nb.networks.hair_segmentation import HairSegmentation


@pytest.fixture(scope="module")
def portrait() -> Photo:
    return Photo.open(asset_path("astronaut.png"))


def test_the_network_agrees_with_the_original_weights() -> None:
    """Reference numbers from an interpreter of the original .tflite in single precision, for a picture made by a
    formula. Half precision moved a probability by at most 0.042 there, by 0.0016 on average."""
    y, x = torch.meshgrid(torch.arange(512.0), torch.arange(512.0), indexing="ij")
    picture = 0.5 + 0.5 * torch.stack([torch.sin(x / 90), torch.cos(y / 70), torch.sin((x + y) / 150)])[None]
    hair = HairSegmentation()(picture)[0, 0]
    expected = torch.tensor(
        [
            [0.0172, 0.3008, 0.5775, 0.0143, 0.0153, 0.0047],
            [0.2066, 0.8100, 0.8309, 0.9975, 0.0081, 0.0036],
            [0.0806, 0.4585, 0.5695, 0.9279, 1.0000, 0.0609],
            [0.1006, 0.1213, 0.7049, 0.9115, 0.1394, 0.2547],
            [0.0341, 0.1282, 0.0218, 0.0008, 0.0022, 0.0004],
            [0.0074, 0.0070, 0.0027, 0.0016, 0.0006, 0.0014],
        ]
    )
    torch.testing.assert_close(hair[::100, ::100], expected, rtol=0, atol=0.02)
    assert float(hair.mean()) == pytest.approx(0.3597, abs=2e-3)


def test_the_network_sees_every_picture_by_itself() -> None:
    pictures = torch.rand(2, 3, 512, 512)
    both, network = HairSegmentation()(pictures), HairSegmentation()
    torch.testing.assert_close(both, torch.cat([network(pictures[:1]), network(pictures[1:])]), rtol=0, atol=1e-3)


def test_the_fringe_is_hair_and_the_brows_are_not(portrait: Photo) -> None:
    """Points of the bundled portrait, 512 px: fringe, hair beside the face, and forehead, brow, cheek, chin, ear."""
    hair = portrait.hair
    assert hair.shape == (512, 512)
    assert min(float(hair[y, x]) for x, y in ((230, 110), (300, 130), (90, 150), (420, 180))) > 0.95
    skin = [(240, 165), (195, 175), (320, 175), (180, 250), (260, 400), (123, 275)]
    assert max(float(hair[y, x]) for x, y in skin) < 0.1
    assert float(hair.min()) >= 0
    assert float(hair.max()) <= 1


def test_all_sizes_share_one_run_of_the_network(portrait: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, runs = Photo.from_image(portrait.original), []
    call = HairSegmentation.__call__
    monkeypatch.setattr(HairSegmentation, "__call__", lambda *args: runs.append(1) or call(*args))
    small = photo.at(128).to("cpu")
    assert not runs  # who does not ask does not pay
    assert small.hair.shape == (128, 128)
    coarse = torch.nn.functional.avg_pool2d(photo.hair[None], 4)[0]
    torch.testing.assert_close(small.hair, coarse, rtol=0, atol=0.3)
    assert float((small.hair - coarse).abs().mean()) < 0.005
    assert runs == [1]
    kept = pickle.loads(pickle.dumps(photo))
    assert torch.equal(kept.hair, photo.hair)
    assert runs == [1]
