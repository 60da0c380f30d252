"""Moves the mesh's dense landmarks to the places where the detector sees them, and gives a weight to each.

Random faces are rendered from known cameras and shown to the detector. Each landmark is then shifted within the surface
by the step that best explains all its detections (least squares in two parameters). A shift that all faces share is
corrected: there, the detector defines the point differently from the canonical mesh. What differs from face to face is
noise; a point with less noise gets a larger weight. The mouth is held open for the shift, because a point may slide
along its lip, but must not cross to the other lip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray as Array
from safetensors.torch import load_file
from torch import Tensor

from ganfit_nb.assets import shipped
from ganfit_nb.face.morphable import MorphableModel, SurfacePoints
from ganfit_nb.geometry.islands import islands
from ganfit_nb.photos.landmarks import IBUG_68, MediaPipeDetector
from ganfit_nb.renderer import render
from ganfit_nb.renderer.camera import orbit_camera, project
from ganfit_nb.renderer.lighting import frontal_light
from ganfit_nb.training.shape.landmark_registration import closest_surface_points
from ganfit_nb.training.shape.morphable_model import mirror_index, with_dense_landmarks
from ganfit_nb.training.skin.canvas import Face
from ganfit_nb.training.skin.procedural_skin import procedural_base
from ganfit_nb.training.skin.uv_corpus import PROCEDURAL_BASES, UvCorpus
from ganfit_nb.training.skin.uv_layout import UvLayout

FACES = 60
SIZE = 512
TEXELS = 512
MAX_YAW, MAX_PITCH = math.radians(25), math.radians(12)
MAX_JAW = 0.4  # largest, of the facial action; an open mouth shows the detector where its corners are
OUTLIER = 3.0  # mm; a larger residual counts less (Huber)
JAW_OPEN = 0.3  # of the facial action; lips that touch in the mean face are then 10 mm apart
IRIS_TRUST = 0.25  # factor on the weights of the irises, whose five points an eye tell only the gaze
ROUNDS = 3
IRISES = 468  # index of their first point
REGIONS = {  # ranges of iBUG points
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "lips": slice(48, 68),
}


@dataclass(frozen=True)
class Observation:
    """The vertices of a rendered face, its camera and the points that the detector found."""

    vertices: Float[Tensor, "V 3"]
    camera: Float[Tensor, " 7"]
    detected: Float[Tensor, "478 2"]


def refine_landmarks(model: MorphableModel) -> MorphableModel:
    """The model with refined dense points, and with the 68 points that follow from them.

    It prints the bias before and after, on faces that were not used.
    """
    face = Face(UvLayout.of(model, TEXELS))
    bases = np.stack([procedural_base(np.random.default_rng([1, k]), face) for k in range(PROCEDURAL_BASES)])
    skins = UvCorpus(face, bases.astype(np.float16), np.linspace(0.0, 1.0, len(bases)))
    learnt = observe(model, skins, range(FACES))
    unseen = observe(model, skins, range(FACES, FACES * 4 // 3))
    refined = model
    for _ in range(ROUNDS):
        refined = with_dense_landmarks(refined, _shifted(refined, learnt))
    print("bias on unseen faces, mm: median over points of the length of the mean residual (rms of the rest)")
    for name, indices in REGIONS.items():
        before, after = bias(model, unseen, indices), bias(refined, unseen, indices)
        print(f"  {name}: {before[0]:.2f} ({before[1]:.2f}) -> {after[0]:.2f} ({after[1]:.2f})")
    return replace(refined, dense_weight=trust(refined, learnt))


def trust(model: MorphableModel, observations: list[Observation]) -> Float[Tensor, " 478"]:
    """The weight of every dense point: the inverse variance of its detections.

    It is 1 for the twentieth of the points with the least variance. A point and its mirror image have the same weight.
    Irises get less.
    """
    squared = torch.stack([_tangent_jacobian(model, seen)[0].square().sum(1) for seen in observations]).mean(0)
    variance = (squared + squared[_mirror()]) / 2
    steady = (variance.quantile(0.05) / variance).clamp(max=1)
    return torch.cat([steady[:IRISES], IRIS_TRUST * steady[IRISES:]])


def observe(model: MorphableModel, skins: UvCorpus, people: range) -> list[Observation]:
    """Renders random faces and detects their landmarks. Faces that the detector misses are left out."""
    detector, found = MediaPipeDetector(), []
    for person in people:
        generator = torch.Generator().manual_seed(person)
        identity = torch.randn(len(model.identity_basis), generator=generator)
        expression = 0.5 * torch.randn(len(model.expression_basis), generator=generator)
        jaw, smile, lids = torch.rand(3, generator=generator).tolist()
        both = {"mouthSmile": smile, "eyeBlink": max(0.0, 2 * lids - 1)}
        actions = {name + side: value for name, value in both.items() for side in ("Left", "Right")}
        expression = expression + model.expression({"jawOpen": MAX_JAW * jaw} | actions)
        albedo = torch.from_numpy(skins[person]).float() / 255
        yaw, pitch, distance = (torch.rand(3, generator=generator) * 2 - 1).tolist()
        camera = orbit_camera(yaw * MAX_YAW, pitch * MAX_PITCH, 900 + 300 * distance)
        light = frontal_light()
        light[:3] += 400 * torch.randn(3, generator=generator)
        vertices = model.vertices(identity, expression)
        image = render(vertices, model.faces, model.uv, albedo, camera, light, SIZE).image
        faces = detector(image.clamp(0, 1))
        if faces and faces[0].dense is not None:
            found.append(Observation(vertices, camera, faces[0].dense[:, :2]))
    return found


def bias(model: MorphableModel, observations: list[Observation], indices: slice) -> tuple[float, float]:
    """(median length of the mean residual, rms of the rest) of some iBUG points, mm.

    The jaw's points are those on the outline of the view.
    """
    rows = []
    for seen in observations:
        points = model.landmarks68(seen.vertices, seen.camera[:3])
        pixels = project(points, seen.camera, SIZE)
        per_mm = seen.camera[6] * SIZE / 2 / pixels[:, 2:]
        rows.append(((seen.detected[IBUG_68] - pixels[:, :2]) / per_mm)[indices])
    residual = torch.stack(rows)
    mean = residual.mean(0)
    return float(mean.norm(dim=1).median()), float((residual - mean).square().sum(-1).mean().sqrt())


def _shifted(model: MorphableModel, observations: list[Observation]) -> SurfacePoints:
    """One Gauss-Newton step of every landmark in its tangent plane, back on the surface, and made symmetric."""
    points = model.dense_landmarks
    normal, right = torch.zeros(len(points), 2, 2), torch.zeros(len(points), 2)
    for seen in observations:
        residual, jacobian = _tangent_jacobian(model, seen)
        weight = (OUTLIER / residual.norm(dim=1).clamp(min=OUTLIER))[:, None]
        normal += (weight[..., None] * jacobian).mT @ jacobian
        right += torch.einsum("lij,li->lj", weight[..., None] * jacobian, residual)
    # The small ridge keeps points in place that are always seen at a flat angle.
    step = torch.linalg.solve(normal + 0.05 * len(observations) * torch.eye(2), right)
    vertices = model.vertices(torch.zeros(len(model.identity_basis)), model.expression({"jawOpen": JAW_OPEN}))
    axes = _tangents(vertices[points.corners])
    moved = (points.on(vertices) + torch.einsum("lj,ljk->lk", step, axes)).double().numpy()
    return _on_the_same_part(model, vertices.double().numpy(), _mirrored_mean(moved))


def _tangents(corners: Float[Tensor, "L 3 3"]) -> Float[Tensor, "L 2 3"]:
    """Two orthonormal axes in the plane of each triangle. The first lies along its first edge."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    one = torch.nn.functional.normalize(first, dim=1)
    two = torch.nn.functional.normalize(second - (second * one).sum(1, keepdim=True) * one, dim=1)
    return torch.stack([one, two], 1)


def _tangent_jacobian(model: MorphableModel, seen: Observation) -> tuple[Float[Tensor, "L 2"], Float[Tensor, "L 2 2"]]:
    """The residuals of the points, in mm at the face's distance, and the effect of moving the points.

    The second array says by how much a residual falls for each mm of movement along the two tangents.
    """
    points = model.dense_landmarks
    axes = _tangents(seen.vertices[points.corners])
    position = points.on(seen.vertices)
    pixels = project(torch.stack([position, position + axes[:, 0], position + axes[:, 1]]), seen.camera, SIZE)
    per_mm = seen.camera[6] * SIZE / 2 / pixels[0, :, 2:]
    residual = (seen.detected - pixels[0, :, :2]) / per_mm
    return residual, torch.stack([(pixels[k, :, :2] - pixels[0, :, :2]) / per_mm for k in (1, 2)], 2)


def _mirrored_mean(points: Float[Array, "478 3"]) -> Float[Array, "478 3"]:
    return (points + points[_mirror()] * [-1, 1, 1]) / 2


def _mirror() -> Int[Array, " 478"]:
    """The index of the dense point that each becomes in a mirror."""
    with shipped("canonical_face_mesh.safetensors") as path:
        canonical = load_file(path)["vertices"].numpy()
    # An iris has its centre, then right, top, left and bottom in the image. A mirror swaps eyes, and left and right.
    return np.concatenate([mirror_index(canonical), [473, 476, 475, 474, 477, 468, 471, 470, 469, 472]])


def _on_the_same_part(
    model: MorphableModel, vertices: Float[Array, "V 3"], points: Float[Array, "478 3"]
) -> SurfacePoints:
    """The nearest surface points: of the irises on the eyeballs, of the others on the skin."""
    faces = model.faces.numpy()
    island = islands(faces, len(vertices))
    eyeball = np.isin(island, island[model.dense_landmarks.corners[IRISES:].numpy()])[faces[:, 0]]
    skin = ~eyeball & (model.pixel_region > 0).numpy()[faces].all(1)
    on_skin = closest_surface_points(points[:IRISES], vertices, faces[skin])
    return on_skin + closest_surface_points(points[IRISES:], vertices, faces[eyeball])
