"""Paints the mouth's interior, and the eyeballs: sclera with veins, limbal ring, fibres of the iris, and pupil.

The eyes look straight ahead (+z).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ganfit_nb.training.skin.canvas import Canvas, Person
from ganfit_nb.training.skin.painting import smoothstep

IRIS_RADIUS = 5.9  # mm; human irises are 11.8 mm wide, with little spread
# Linear RGB of the middle zone of the iris, from dark brown to pale blue.
IRIS_COLOURS = np.array(
    [
        [0.030, 0.016, 0.010],
        [0.075, 0.036, 0.017],
        [0.150, 0.075, 0.030],
        [0.140, 0.110, 0.045],
        [0.120, 0.140, 0.075],
        [0.160, 0.200, 0.210],
        [0.110, 0.180, 0.260],
        [0.200, 0.260, 0.320],
    ],
    np.float32,
)


def paint_eyes(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paints both eyeballs with irises of the same colour. Dark skin goes with brown eyes."""
    colour = _iris_colour(rng, person.tone.darkness)
    pupil = rng.uniform(1.5, 2.5)
    white = np.array([0.62, 0.56, 0.52]) * rng.uniform(0.85, 1.0) * np.array([1.0, 1.0, 1.0 - 0.1 * person.age])
    red = rng.uniform(0.02, 0.14)
    for centre, mask in canvas.face.layout.eyes:
        offset = canvas.face.layout.position[mask] - centre
        # The radius is an arc on the eyeball from its optical axis, so that it also grows on the back half.
        flat = np.hypot(offset[:, 0], offset[:, 1])
        ball = np.linalg.norm(offset, axis=1).mean()
        radius = ball * np.arctan2(flat, offset[:, 2])
        angle = np.arctan2(-offset[:, 1], offset[:, 0])
        light = _sclera(rng, white, red, radius, angle, person)
        light = _iris(rng, light, colour, pupil, radius, angle)
        canvas.density[mask] = -np.log(np.clip(light, 2e-3, 1.0))


def paint_mouth(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paints the inside of the mouth dark red, and darker where it is deeper."""
    mask = canvas.face.layout.mouth
    if not mask.any():
        return
    depth = canvas.face.layout.position[mask][:, 2]
    deep = (depth.max() - depth) / max(float(np.ptp(depth)), 1e-3)
    flesh = np.array([0.30, 0.09, 0.08]) * rng.uniform(0.7, 1.2) * (1.0 - 0.3 * person.tone.darkness)
    canvas.density[mask] = -np.log(flesh) + 1.6 * deep[:, None]


def _iris_colour(rng: np.random.Generator, darkness: float) -> Float[ndarray, " 3"]:
    fairness = max(0.0, 1.0 - 2.2 * darkness)
    light = rng.random() < 0.75 * fairness
    at = (len(IRIS_COLOURS) - 1) * (rng.random() ** 0.8 if light else 0.25 * rng.random() ** 1.5)
    low = min(int(at), len(IRIS_COLOURS) - 2)
    return IRIS_COLOURS[low] + (at - low) * (IRIS_COLOURS[low + 1] - IRIS_COLOURS[low])


def _sclera(
    rng: np.random.Generator, white: ndarray, red: float, radius: ndarray, angle: ndarray, person: Person
) -> Float[ndarray, "N 3"]:
    """The sclera's colour: white, pinker towards the corners, and dim far from the opening.

    Its veins get thinner towards the iris.
    """
    far = smoothstep(radius, 7.0, 15.0)
    veins = np.zeros_like(radius)
    for _ in range(10):
        at, wave, phase = rng.uniform(-np.pi, np.pi), rng.uniform(0.04, 0.12), rng.uniform(0, 6.3)
        across = np.angle(np.exp(1j * (angle - at - wave * np.sin(radius * rng.uniform(0.8, 1.5) + phase)))) * radius
        veins += rng.uniform(0.3, 1.0) * np.exp(-((across / 0.35) ** 2)) * smoothstep(radius, 7.5, 11.0)
    blood = red * (far + 1.2 * veins)
    dim = 0.75 * smoothstep(radius, 9.5, 17.0) + 0.12 * smoothstep(np.sin(angle) * radius, 3.0, 8.0)
    absorption = blood[:, None] * np.array([0.25, 1.3, 1.1]) + dim[:, None] * np.array([0.8, 1.0, 1.0])
    return white * np.exp(-absorption - 0.1 * person.age * np.array([0.2, 0.5, 1.0]))


def _iris(
    rng: np.random.Generator, light: ndarray, colour: ndarray, pupil: float, radius: ndarray, angle: ndarray
) -> Float[ndarray, "N 3"]:
    """Adds the iris: fibres run outwards, a warm collarette surrounds the pupil, and a dark ring the iris."""
    t = radius / IRIS_RADIUS
    fibres = np.zeros_like(radius)
    for frequency in rng.integers(9, 60, 14):
        fibres += np.cos(frequency * angle + rng.uniform(0, 6.3) + rng.normal(0, 2.0) * t)
    fibres *= 0.13 * smoothstep(t, 0.25, 0.5)
    collar = np.exp(-(((t - 0.47) / 0.14) ** 2)) * rng.uniform(0.0, 0.7)
    iris = colour * np.exp(fibres)[:, None]
    iris = iris * (1.0 + collar[:, None] * np.array([0.9, 0.45, 0.0]))
    iris = iris * np.exp(-rng.uniform(0.9, 1.8) * smoothstep(t, 0.76, 1.0))[:, None]
    iris = iris * np.exp(-0.35 * smoothstep(np.sin(angle) * t, 0.2, 0.9))[:, None]
    hole = smoothstep(radius, pupil + 0.35, pupil - 0.35)[:, None]
    iris = iris * (1.0 - hole) + 0.003 * hole
    inside = smoothstep(t, 1.05, 0.95)[:, None]
    return light * (1.0 - inside) + iris * inside
