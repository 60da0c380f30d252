"""Paints brows, lashes, beard and scalp, strand by strand."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ganfit_nb.training.skin.canvas import Canvas, Face, Person
from ganfit_nb.training.skin.painting import blur, bump, cloud, smoothstep, spline


def curved_strands(
    rng: np.random.Generator, roots: Float[ndarray, "N 2"], angles: ndarray, lengths: ndarray, bend: ndarray
) -> Float[ndarray, "N 4 2"]:
    """Strands as polylines of three pieces that begin at the roots.

    Angles are in radians (y down). `bend` is the turn along a strand.
    """
    lines = [roots]
    for piece in range(3):
        turn = angles + bend * (piece / 2.0 - 0.5)
        lines.append(lines[-1] + (lengths / 3.0)[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1))
    return np.stack(lines, axis=1)


def paint_brows(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paints two similar brows with a little asymmetry.

    Their centre line, thickness, density and colour are random.
    """
    manly = person.masculinity
    centre = canvas.face.brow + rng.normal(0.0, 0.35, (5, 2))
    centre[:, 0] += rng.normal(0.0, 1.2) + np.linspace(0.0, 1.0, 5) * rng.normal(0.0, 1.5)
    centre[:, 1] += rng.normal(0.3, 1.1)
    centre[:, 1] -= np.array([0.0, 0.6, 1.0, 0.7, 0.0]) * rng.normal(0.3 - 0.6 * manly, 1.0)
    centre[:, 1] += np.linspace(-0.5, 0.5, 5) * rng.normal(0.0, 1.6)
    thickness = np.clip(rng.normal(6.4 + 2.6 * manly, 1.5), 3.0, 12.0)
    density = np.clip(rng.normal(0.85 + 0.3 * manly - 0.25 * person.age, 0.28), 0.25, 1.6)
    colour = np.minimum(person.hair * rng.uniform(0.5, 0.9), 0.17)  # brows turn grey late
    opacity = rng.uniform(0.55, 0.9)
    underpaint = rng.uniform(0.3, 0.7) * min(density, 1.0)
    for side in (-1.0, 1.0):
        own = centre + rng.normal(0.0, 0.3, (5, 2))
        count = int(75 * thickness * density)
        s = rng.beta(1.2, 1.2, count) * 1.02
        across = np.clip(rng.normal(0.0, 0.42, count), -1.0, 1.0)
        curve = spline(own, 200)
        at = np.minimum((s * 199).astype(int), 199)
        tangent = np.gradient(curve, axis=0)
        heading = np.arctan2(tangent[:, 1], tangent[:, 0])[at]
        half = 0.5 * thickness * (0.55 + 0.45 * smoothstep(s, 0.0, 0.2)) * (1.0 - 0.72 * smoothstep(s, 0.45, 1.05))
        roots = curve[at] + np.stack([np.zeros(count), half * across], axis=1)
        # Hairs at the inner end stand up. Farther out they lie along the brow: upper ones point down, lower ones up.
        rise = 1.15 * (1.0 - smoothstep(s, 0.0, 0.35)) + 0.42 * across * smoothstep(s, 0.05, 0.4) + 0.12
        angles = heading - rise + rng.normal(0.0, 0.14, count)
        lengths = rng.uniform(4.0, 8.0, count) * (0.55 + 0.06 * thickness) * (1.0 - 0.35 * s)
        lines = curved_strands(rng, roots, angles, lengths, rng.normal(0.35, 0.2, count))
        lines[..., 0] *= side
        alpha = canvas.strokes(lines, rng.uniform(0.25, 0.55, count), opacity * rng.uniform(0.5, 1.0, count))
        shadow = blur(alpha[..., None], 2.6 * canvas.face.layout.size / 512)[..., 0]
        canvas.cover(np.clip(underpaint * shadow * 1.6, 0.0, 0.7), colour * 1.3 + 0.004)
        canvas.cover(alpha, colour)


def paint_lashes(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paints the dark line of the upper lid with short lashes, and a faint line on the lower lid."""
    colour = person.hair * 0.35
    strength = rng.uniform(0.6, 1.0) * (1.0 - 0.35 * person.masculinity)
    upper, lower = canvas.face.lids
    opening = np.ptp(canvas.face.layout.lid[:, 1])  # in the chart, in which the lids are unrolled
    for side in (-1.0, 1.0):
        for lid, up, share, count in ((upper, -1.0, 1.0, 90), (lower, 1.0, 0.4, 60)):
            s = np.sort(rng.uniform(0.06, 1.0, count))
            roots = lid[(s * 59).astype(int)] + rng.normal(0.0, 0.15, (count, 2))
            outward = s - 0.5
            angles = up * (np.pi / 2 - 2.2 * outward) + rng.normal(0.0, 0.15, count)
            lengths = opening * rng.uniform(0.05, 0.13, count) * (0.6 + 0.4 * share)
            lines = curved_strands(rng, roots, angles, lengths, np.zeros(count))
            edge = lid + np.array([0.0, 0.03 * up * opening])
            line = np.stack([edge[:-1], edge[1:]], axis=1)
            for bundle, width, opacity in ((lines, 0.45, 0.6), (line, 0.12 * opening * share, 0.5)):
                bundle = bundle * np.array([side, 1.0])
                canvas.cover(canvas.strokes(bundle, width, strength * share * opacity), colour)


def beard_zone(face: Face, rng: np.random.Generator) -> Float[ndarray, "H H"]:
    """Where a beard grows, from 0 to 1.

    It grows below a line from sideburn to mouth corner, over the lip, and on chin and throat.
    """
    mouth, nose, ear = face.point(54), face.point(33), face.point(15)
    across = np.abs(face.x)
    t = np.clip((across - mouth[0]) / (ear[0] - mouth[0]), 0.0, 1.0)
    sag = rng.normal(5.0, 5.0)
    line = mouth[1] - 4.0 + (ear[1] - 12.0 - mouth[1] + 4.0) * t**1.6 + sag * np.sin(np.pi * t)
    cheek = smoothstep(face.y - line, -3.0, 9.0) * smoothstep(across, mouth[0] - 8.0, mouth[0] + 2.0)
    lip_top = nose[1] + 2.0
    moustache = smoothstep(face.y, lip_top, lip_top + 5.0) * smoothstep(across, mouth[0] + 9.0, mouth[0] - 2.0)
    moustache *= smoothstep(face.y, mouth[1] + 8.0, mouth[1] + 2.0)
    below = smoothstep(face.y, mouth[1] + 2.0, mouth[1] + 14.0) * smoothstep(across, mouth[0] + 8.0, mouth[0])
    soul = 1.0 - 0.75 * bump(across, face.y, mouth[0] * 0.55, mouth[1] + 13.0, 7.0, 4.5)
    throat = smoothstep(face.layout.position[..., 1], face.height(8) - 34.0, face.height(8) - 8.0)
    throat = throat * smoothstep(face.azimuth, 92.0, 82.0)
    grow = np.maximum.reduce([cheek, moustache * rng.uniform(0.7, 1.1), below * soul])
    philtrum = 1.0 - 0.45 * bump(face.x, face.y, 0.0, lip_top + 4.0, 2.2, 6.0)
    return np.clip(grow * throat * philtrum * smoothstep(face.lips, 0.3, 2.5), 0.0, 1.0) * face.skin


def paint_beard(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paints a beard on about a third of all people, who are male. It is a shadow, stubble or a short beard."""
    if rng.random() > 0.95 * person.masculinity**1.3:
        return
    face, size = canvas.face, canvas.face.layout.size
    zone = beard_zone(face, rng)
    kind = rng.random()
    if kind > 0.9:
        zone *= smoothstep(np.abs(face.x), face.point(54)[0] + 10.0, face.point(54)[0] + 3.0)
    patchy = np.clip(1.0 + 0.15 * cloud(rng, size, (10, 24)), 0.2, 1.6)
    shadow = rng.uniform(0.03, 0.2) * (1.2 - 0.5 * person.tone.darkness)
    canvas.pigment(shadow * zone * patchy, np.array([1.0, 0.92, 0.78]))
    if kind < 0.3:
        return
    length = 0.8 if kind < 0.7 else rng.uniform(2.0, 6.0)
    thickness = rng.uniform(0.4, 1.0)
    rows, columns = np.nonzero(zone > 0.05)
    weight = (zone * patchy)[rows, columns] ** 1.4
    count = int(min(2.2 * thickness * len(rows) * (512 / size) ** 2 * 0.12, 9000))
    pick = rng.choice(len(rows), count, p=weight / weight.sum())
    roots = face.layout.chart[rows[pick], columns[pick]] + rng.uniform(-0.4, 0.4, (count, 2))
    # Hairs point down, at the sides a little backwards, and in random directions under the lip and on the throat.
    angles = np.pi / 2 - 0.35 * np.clip(roots[:, 0] / 50.0, -1.0, 1.0) + rng.normal(0.0, 0.45, count)
    lines = curved_strands(rng, roots, angles, length * rng.uniform(0.5, 1.3, count), rng.normal(0.0, 0.4, count))
    colour = person.hair * rng.uniform(0.8, 1.4)
    opacity = rng.uniform(0.25, 0.6)
    alpha = canvas.strokes(lines, rng.uniform(0.2, 0.45, count), opacity)
    canvas.cover(alpha * np.clip(zone * 3.0, 0.0, 1.0), colour)


def paint_scalp(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paints cropped hair behind a soft hairline, which recedes with age and masculinity. Some people are bald."""
    face, size = canvas.face, canvas.face.layout.size
    recede = rng.normal(0.0, 4.0) + 16.0 * person.age * person.masculinity * rng.random()
    depth = face.hairline - recede + 2.5 * cloud(rng, size, (8, 20))
    bald = rng.random() < 0.1 + 0.25 * person.age * person.masculinity
    amount = smoothstep(depth, -3.0, 16.0) * (0.25 if bald else rng.uniform(0.75, 0.96))
    strands = 1.0 + 0.16 * blur(rng.standard_normal((size, size, 1)), 0.7 * size / 512)[..., 0]
    canvas.cover(np.clip(amount * face.skin * strands, 0.0, 0.97), person.hair * rng.uniform(0.8, 1.2) + 0.004)
