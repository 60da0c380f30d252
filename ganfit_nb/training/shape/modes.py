"""The modes of Eq. 2: heads as they were measured, what they leave out of anny's, and expressions with gaze."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from ganfit_nb.face.facial_actions import FACIAL_ACTIONS
from ganfit_nb.training.shape.facekit import FaceKit, Part
from ganfit_nb.training.shape.head_mesh import HeadMesh
from ganfit_nb.training.shape.shape_statistics import Modes, action_coefficients, principal_modes, random_expressions

MEASURED, EXPRESSIONS = 100, 29
SAMPLES = 1500
GAZE_SD = 0.35  # of the way to the corner of the eye
WINK_SD = 0.15  # of a blink, between the two eyes
TWO_SIDED = ("browInnerUp", "cheekPuff")  # ARKit does not tell their sides apart
Shapes = Float[Array, "K V 3"]


def measured_modes(kit: FaceKit, mesh: HeadMesh) -> Modes:
    """The light-stage components on the cropped mesh: the same people, by modes that are symmetric or the opposite."""
    found = principal_modes(kit.identity, mesh.mirror, mesh.positions.dot, MEASURED)
    scale = np.sqrt(len(kit.identity))  # the components are deviations already, not samples to take a mean square of
    return Modes(scale * found.basis, len(kit.identity) * found.total)


def expression_modes(kit: FaceKit, mesh: HeadMesh) -> tuple[Modes, Float[Array, "A K"]]:
    """26 principal components of random expressions, and three that few vertices take part in: a wink, and gaze to the
    subject's left and up; and each of FACIAL_ACTIONS as coefficients of them."""
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
    shapes["tongueOut"] = np.zeros_like(mesh.positions @ kit.mean)  # the tongue lies still
    shapes = {name: shapes[name] for name in FACIAL_ACTIONS}
    return modes, action_coefficients(shapes, modes, lambda shape: shape)


def _arkit(name: str) -> str:
    return name.replace("_L", "Left").replace("_R", "Right")


def beyond(measured: Shapes, others: Shapes, mean: Float[Array, "V 3"], face: Bool[Array, " V"], count: int) -> Shapes:
    """The strongest modes of what other heads have beyond the span of the measured ones, seen on the face.

    Rigid motions and scale count as spanned: heads of two origins are not aligned alike.
    """
    known = np.concatenate([measured, _similarities(mean)])
    flat = known[:, face].reshape(len(known), -1)
    coefficients = np.linalg.lstsq(flat.T, others[:, face].reshape(len(others), -1).T, rcond=None)[0]
    rest = others - np.einsum("ko,kvc->ovc", coefficients, known)
    seen = rest[:, face].reshape(len(rest), -1)
    turn = np.linalg.eigh(seen @ seen.T)[1][:, ::-1][:, :count]
    return np.einsum("ok,ovc->kvc", turn, rest)


def _similarities(points: Float[Array, "V 3"]) -> Float[Array, "7 V 3"]:
    """Small rigid motions and a change of scale, as displacements."""
    centred = points - points.mean(0)
    shifts = [np.broadcast_to(axis, points.shape) for axis in np.eye(3)]
    return np.stack([*shifts, *(np.cross(axis, centred) for axis in np.eye(3)), centred])


def carried_over(others: Shapes, mesh: HeadMesh, mean: Float[Array, "V 3"]) -> Shapes:
    """Modes known on skin and eyeballs alone, with teeth and gums that go along with the lips as a whole."""
    inside = mesh.parts >= Part.MOUTH
    lips = np.isin(mesh.source, mesh.source[inside]) & ~inside
    return np.where(inside[:, None], others[:, lips].mean(1, keepdims=True), others)
