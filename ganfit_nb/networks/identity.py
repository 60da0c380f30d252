"""The identity network F of Eq. 8 and 9, and the aligned crop that it takes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganfit_nb.assets import shipped
from ganfit_nb.networks.dlib_resnet import CROP_SIZE, DlibResNet
from ganfit_nb.warp import fit_similarity, inverse, resample, scale_of

# dlib's template: where the nose (27..35), eyes (36..47), upper lip (48..54) and inner lips (60..64) of a mean face lie
# in the crop of 150 px. dlib aligns by these iBUG points alone, because brows, jaw and lower lip move too much.
TEMPLATE_INDICES = [*range(27, 55), *range(60, 65)]
TEMPLATE = torch.tensor([
    [74.01, 45.34], [74.01, 55.70], [74.01, 65.98], [74.01, 76.56], [61.69, 83.73], [67.60, 85.93], [74.01, 87.81],
    [80.42, 85.93], [86.34, 83.73], [37.17, 46.64], [43.71, 42.88], [51.58, 42.99], [58.46, 48.17], [51.09, 49.51],
    [43.27, 49.41], [89.56, 48.17], [96.44, 42.99], [104.31, 42.88], [110.85, 46.64], [104.75, 49.41], [96.93, 49.51],
    [50.41, 103.02], [59.10, 99.54], [67.89, 97.74], [74.01, 99.26], [80.14, 97.74], [88.93, 99.54], [97.61, 103.02],
    [54.04, 103.48], [67.81, 102.87], [74.01, 103.53], [80.22, 102.87], [93.99, 103.48],
])  # fmt: skip


# The stages whose activations the content loss (Eq. 9) compares. The paper wants activations that are "still robust to
# pixel-level deformations and not too abstract to miss some details". `benchmarks/identity_statistics.py` measured how
# much farther apart photos of different people are than photos of one person: 1.13, 1.05, 1.01, 1.15, 1.47 and 1.80
# times, from the stem (32×35×35) to stage 5 (256×2×2). Up to stage 2 pose and light count more than the person. Stage 5
# is not used, because its mean is what the embedding is computed from, so Eq. 8 has it already.
CONTENT_STAGES = (3, 4)  # 128×8×8 and 256×4×4

# Mean distances of the same benchmark, over 3 pairs of photos of one man (in other poses and expressions) and over 12
# pairs of different people (four persons). dlib's threshold lies between the two: its Euclidean distance of 0.6 is a
# cosine distance of 0.09, because the embeddings have a norm of 1.4. For Eq. 9 the distances were 0.0138 and 0.0177.
SAME_PERSON = 0.036  # cosine distance (Eq. 8), 0.029 to 0.044
DIFFERENT_PEOPLE = 0.177  # 0.115 to 0.203


@dataclass(frozen=True)
class CropTemplate:
    """The places of some points of the face in a network's square crop.

    points   (N, 2) px of the crop
    of_68    (N, 68) each point as a weighted sum of the iBUG points
    size     side of the crop, px
    in_crop  whether the alignment minimises distances in the crop (as insightface does) or in the photo (dlib)
    """

    points: Float[Tensor, "N 2"]
    of_68: Float[Tensor, "N 68"]
    size: int
    in_crop: bool = False


# The iBUG points of which the eyes' centres, the tip of the nose and the corners of the mouth are the means.
FIVE_OF_68 = (range(36, 42), range(42, 48), [30], [48], [54])


def five_point_template(points: Float[Tensor, "5 2"], size: int) -> CropTemplate:
    """A crop in which eyes, tip of the nose and corners of the mouth come as near as they can to `points`, px."""
    of_68 = torch.zeros(len(FIVE_OF_68), 68)
    for row, indices in enumerate(FIVE_OF_68):
        of_68[row, list(indices)] = 1 / len(indices)
    return CropTemplate(points, of_68, size, in_crop=True)


DLIB_TEMPLATE = CropTemplate(TEMPLATE, torch.eye(68)[TEMPLATE_INDICES], CROP_SIZE)


@dataclass(frozen=True)
class IdentityFeatures:
    """The embedding F^n (Eq. 8), and the activations F^j that the content loss compares (Eq. 9)."""

    embedding: Float[Tensor, "N D"]
    activations: tuple[Float[Tensor, "N _ _ _"], ...]

    def split(self, count: int) -> tuple[IdentityFeatures, IdentityFeatures]:
        """The features of the first `count` crops, and of those after them."""
        first, rest = (
            IdentityFeatures(self.embedding[part], tuple(a[part] for a in self.activations))
            for part in (slice(count), slice(count, None))
        )
        return first, rest


@dataclass(frozen=True)
class IdentityNetwork:
    """A frozen recogniser that is differentiable in the pixels, and all that is needed to use it.

    network           maps crops to (embedding, activations of its stages)
    template          the alignment of its crops
    different_people  typical cosine distance (Eq. 8) between photos of two persons; the unit of the identity losses
    content_stages    the stages that Eq. 9 compares
    """

    network: nn.Module
    template: CropTemplate = DLIB_TEMPLATE
    different_people: float = DIFFERENT_PEOPLE
    content_stages: tuple[int, ...] = CONTENT_STAGES

    @staticmethod
    @cache
    def default() -> IdentityNetwork:
        """The shipped network, loaded once."""
        with shipped("dlib_resnet.safetensors") as path:
            return IdentityNetwork(DlibResNet.load(path))

    def to(self, device: torch.device | str) -> IdentityNetwork:
        """The same network on another device. This object does not change."""
        template = replace(self.template, points=self.template.points.to(device), of_68=self.template.of_68.to(device))
        return replace(self, network=copy.deepcopy(self.network).to(device), template=template)

    def shrink(self, landmarks: Float[Tensor, "68 2"]) -> int:
        """The number of the picture's pixels, along a side, that become one pixel of the crop."""
        return max(1, round(scale_of(crop_transform(landmarks, self.template))))

    def crop(
        self, image: Float[Tensor, "*n 3 H W"], landmarks: Float[Tensor, "*n 68 2"], shrink: int | None = None
    ) -> Float[Tensor, "*n 3 S S"]:
        """The aligned crops that this network takes."""
        return aligned_crop(image, landmarks, self.template, shrink)

    def features(self, crops: Float[Tensor, "N 3 S S"]) -> IdentityFeatures:
        """The features of aligned crops, RGB in [0, 1]."""
        embedding, activations = self.network(crops)
        return IdentityFeatures(embedding, tuple(activations[stage] for stage in self.content_stages))


def aligned_crop(
    image: Float[Tensor, "*n 3 H W"],
    landmarks: Float[Tensor, "*n 68 2"],
    template: CropTemplate = DLIB_TEMPLATE,
    shrink: int | None = None,
) -> Float[Tensor, "*n 3 S S"]:
    """Cuts out the face, aligned to the template. For dlib this is `dlib.get_face_chip(image, landmarks, 150, 0.25)`.

    It is differentiable in the image and in the landmarks (iBUG order, px). The landmarks move with the rendered face,
    so the gradient knows that an aligned face looks the same wherever it is in the picture. `warp.resample` explains
    `shrink`.
    """
    transform = crop_transform(landmarks, template)
    crops = resample(image.reshape(-1, *image.shape[-3:]), transform, template.size, "zeros", shrink)
    return crops.view(*image.shape[:-2], template.size, template.size)


def crop_transform(landmarks: Float[Tensor, "*n 68 2"], template: CropTemplate) -> Float[Tensor, "*n 2 3"]:
    """The transform from pixels of the crop to pixels of the picture."""
    seen, points = template.of_68.to(landmarks) @ landmarks, template.points.to(landmarks)
    return inverse(fit_similarity(seen, points)) if template.in_crop else fit_similarity(points, seen)
