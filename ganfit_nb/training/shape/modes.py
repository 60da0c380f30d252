"""The modes of Eq. 2: those of measured heads, further ones that only anny's heads have, and expressions with gaze."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from ganfit_nb.face.facial_actions import FACIAL_ACTIONS
from ganfit_nb.training.shape.facekit import FaceKit
from ganfit_nb.training.shape.head_mesh import HeadMesh
from ganfit_nb.training.shape.parts import Part
from ganfit_nb.training.shape.shape_statistics import Modes, action_coefficients, principal_modes, random_expressions

MEASURED, EXPRESSIONS = 100, 29
SAMPLES = 1500
GAZE_SD = 0.35  # standard deviation, as a share of the way to the corner of the eye
WINK_SD = 0.15  # standard deviation of the difference between the two eyes, in blinks
TWO_SIDED = ("browInnerUp", "cheekPuff")  # ARKit has one action for both sides of these
Shapes = Float[Array, "K V 3"]


def measured_modes(kit: FaceKit, mesh: HeadMesh) -> Modes:
    """The light-stage components on the cropped mesh.

    They span the same people by modes that are either symmetric or antisymmetric.
    """
    found = principal_modes(kit.identity, mesh.mirror, mesh.positions.dot, MEASURED)
    scale = np.sqrt(len(kit.identity))  # undoes a mean over samples: these are deviations already
    return Modes(scale * found.basis, len(kit.identity) * found.total)


def expression_modes(kit: FaceKit, mesh: HeadMesh) -> tuple[Modes, Float[Array, "A K"]]:
    """The expression modes, and each of FACIAL_ACTIONS as coefficients of them.

    26 modes are principal components of random expressions. Three more move only a few vertices: a wink, and gaze to
    the subject's left and up.
    """
    shapes = {_arkit(name): mesh.positions @ shape for name, shape in kit.expression.items()}
    still = {name: shape for name, shape in shapes.items() if not name.startswith("eyeLook")}
    drawn = random_expressions(still, SAMPLES, np.random.default_rng(1))
    face = principal_modes(drawn, mesh.mirror, lambda shape: shape, EXPRESSIONS - 3)
    wink = WINK_SD / 2 * (shapes["eyeBlinkLeft"] - shapes["eyeBlinkRight"])
    left = [shapes["eyeLookOutLeft"], shapes["eyeLookInRight"]]
    right = [shapes["eyeLookInLeft"], shapes["eyeLookOutRight"]]
    up, down = ([shapes[f"eyeLook{way}{side}"] for side in ("Left", "Right")] for way in ("Up", "Down"))
    gaze = [GAZE_SD / 2 * (sum(there) - sum(back)) for there, back in ((left, right), (up, down))]
    modes = Modes(np.concatenate([face.basis, [wink, *gaze]]), face.total)
    for name in TWO_SIDED:
        shapes[name] = shapes.pop(f"{name}Left") + shapes.pop(f"{name}Right")
    shapes["tongueOut"] = np.zeros_like(mesh.positions @ kit.mean)  # the tongue does not move
    shapes = {name: shapes[name] for name in FACIAL_ACTIONS}
    return modes, action_coefficients(shapes, modes, lambda shape: shape)


def _arkit(name: str) -> str:
    return name.replace("_L", "Left").replace("_R", "Right")


def beyond(measured: Shapes, others: Shapes, mean: Float[Array, "V 3"], face: Bool[Array, " V"], count: int) -> Shapes:
    """The strongest modes of other heads that the measured modes cannot represent, judged on the face.

    Rigid motions and scale count as represented, because heads of two sources are aligned differently.
    """
    known = np.concatenate([measured, _similarities(mean)])
    flat = known[:, face].reshape(len(known), -1)
    coefficients = np.linalg.lstsq(flat.T, others[:, face].reshape(len(others), -1).T, rcond=None)[0]
    rest = others - np.einsum("ko,kvc->ovc", coefficients, known)
    seen = rest[:, face].reshape(len(rest), -1)
    turn = np.linalg.eigh(seen @ seen.T)[1][:, ::-1][:, :count]
    return np.einsum("ok,ovc->kvc", turn, rest)


def _similarities(points: Float[Array, "V 3"]) -> Float[Array, "7 V 3"]:
    """The displacements of small rigid motions and of a change of scale."""
    centred = points - points.mean(0)
    shifts = [np.broadcast_to(axis, points.shape) for axis in np.eye(3)]
    return np.stack([*shifts, *(np.cross(axis, centred) for axis in np.eye(3)), centred])


def carried_over(others: Shapes, mesh: HeadMesh, mean: Float[Array, "V 3"]) -> Shapes:
    """Completes modes that are known on skin and eyeballs alone.

    In each mode teeth and gums move by the mean displacement of the lips.
    """
    inside = mesh.parts >= Part.MOUTH
    lips = np.isin(mesh.source, mesh.source[inside]) & ~inside
    return np.where(inside[:, None], others[:, lips].mean(1, keepdims=True), others)
