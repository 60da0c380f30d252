"""Paints marks of the skin: pigment spots, blood, creases, lips and make-up."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ganfit_nb.training.skin.canvas import Canvas, Person
from ganfit_nb.training.skin.painting import balanced, blur, bump, cloud, smooth_noise, smoothstep, spline
from ganfit_nb.training.skin.skin_tone import HAEMOGLOBIN, MELANIN


def paint_mottling(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Varies melanin and blood over centimetres, because no skin has only one colour."""
    size = canvas.face.layout.size
    melanin = rng.uniform(0.01, 0.03) * (1 + person.age) * balanced(cloud(rng, size, (5, 11, 23, 46)))
    blood = rng.uniform(0.01, 0.035) * balanced(cloud(rng, size, (6, 14, 30, 60)))
    canvas.pigment(melanin * canvas.face.skin, MELANIN)
    canvas.pigment(blood * canvas.face.skin, HAEMOGLOBIN)


def paint_redness(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Adds blood to cheeks, nose, chin and ears. The forehead mostly loses some, and becomes yellowish."""
    face = canvas.face
    eye, nose, mouth = face.point(46), face.point(30), face.point(54)
    light = 1.0 - 0.5 * person.tone.darkness
    cheeks, tip, ears = rng.gamma(2.0, 0.055) * light, rng.gamma(2.0, 0.045) * light, rng.gamma(2.0, 0.05) * light
    across = np.abs(face.x)
    spread = rng.uniform(0.8, 1.3)
    height = 0.55 * nose[1] + 0.45 * mouth[1] - 4.0
    blush = cheeks * bump(across, face.y, eye[0] + 3.0, height, 16 * spread, 13 * spread)
    blush = blush + tip * bump(face.x, face.y, 0.0, nose[1] + 3.0, 11.0, 10.0)
    blush = blush + 0.5 * cheeks * bump(face.x, face.y, 0.0, face.point(8)[1] - 10.0, 14.0, 8.0)
    blush = blush + ears * smoothstep(face.azimuth, 82.0, 92.0)
    uneven = np.clip(1.0 + 0.2 * balanced(cloud(rng, face.layout.size, (9, 22, 48))), 0.0, 2.0)
    canvas.pigment(blush * uneven * face.skin, HAEMOGLOBIN)
    forehead = bump(face.x, face.y, 0.0, face.point(24)[1] - 20.0, 40.0, 14.0)
    canvas.pigment(rng.normal(-0.03, 0.04) * forehead, HAEMOGLOBIN)


def paint_eye_surround(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Makes the skin under the eyes and on the lids darker and bluer, and adds bags with age."""
    face = canvas.face
    inner, outer = face.eye_corners
    lid_height = 0.5 * np.ptp(face.layout.lid[:, 1])  # mm, of the unrolled eye opening
    across = np.abs(face.x)
    middle = 0.45 * inner + 0.55 * outer
    hollow = bump(across, face.y, middle[0] - 4.0, middle[1] + lid_height + 5.0, 11.0, 5.0)
    lid = bump(across, face.y, middle[0], middle[1] - lid_height - 2.0, 13.0, 4.5)
    strength = rng.gamma(2.0, 0.05) * (1.0 + 0.8 * person.age)
    canvas.pigment((strength * hollow + rng.gamma(2.0, 0.035) * lid) * face.skin, np.array([0.8, 1.0, 0.75]))
    bag = np.linspace(-0.9, 0.9, 24)
    curve = np.stack([middle[0] - 2.0 + 13.0 * bag, middle[1] + lid_height + 8.0 - 5.5 * bag**2], axis=1)
    _crease(canvas, curve, width=1.6, depth=0.3 * person.age * rng.random(), rng=rng)


def _crease(
    canvas: Canvas,
    curve: Float[ndarray, "N 2"],
    width: float,
    depth: float,
    rng: np.random.Generator,
    both: bool = True,
) -> None:
    """Paints a fold that is dark along the curve, a little light below it, and fades towards its ends.

    With `both` it is painted on both sides of the face, else along the curve alone.
    """
    if depth < 0.01:
        return
    pieces = np.stack([curve[:-1], curve[1:]], axis=1)
    fade = np.sin(np.pi * (np.arange(len(pieces)) + 0.5) / len(pieces)) ** 0.7
    texel = canvas.face.layout.size / 512
    for side in (-1.0, 1.0) if both else (1.0,):
        own = (pieces + rng.normal(0.0, 0.25, 2)) * np.array([side, 1.0])
        line = canvas.strokes(own, width, 0.9 * fade)
        line = blur(line[..., None], max(0.5, 0.9 * width * texel))[..., 0]
        shift = max(1, round(1.6 * width * texel))
        relief = line - 0.45 * np.roll(line, shift, axis=0)
        canvas.pigment(depth * rng.uniform(0.75, 1.25) * relief, np.array([1.0, 1.12, 1.15]))


def paint_wrinkles(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paints forehead lines, frown lines, crow's feet and nasolabial folds, which get deeper with age."""
    face, age = canvas.face, max(0.0, person.age + rng.normal(0.0, 0.08))
    brow, between = face.point(24), face.point(21, 22)
    for k in range(rng.integers(2, 5)):
        reach = rng.uniform(26.0, 42.0)
        x = np.linspace(-reach, reach, 40)
        height = brow[1] - 10.0 - 8.5 * k + rng.normal(0.0, 1.0)
        wave = 1.1 * np.sin(x / rng.uniform(9.0, 15.0) + rng.uniform(0, 6.3)) - 2.0 * np.cos(x / 24.0)
        _crease(canvas, np.stack([x, height + wave], axis=1), 1.1, 0.45 * age * rng.random(), rng, both=False)
    frown = np.linspace(0.0, 1.0, 12)
    curve = np.stack([5.0 + 2.0 * frown, between[1] + 4.0 - 14.0 * frown], axis=1)
    _crease(canvas, curve, 1.2, 0.45 * age * rng.random(), rng)
    outer = face.eye_corners[1]
    for k in range(rng.integers(3, 6)):
        angle = np.radians(-34.0 + 17.0 * k + rng.normal(0.0, 4.0))
        along = np.linspace(4.0, rng.uniform(12.0, 22.0), 14)
        curve = outer + along[:, None] * np.array([np.cos(angle), np.sin(angle)])
        curve[:, 1] += 0.012 * along**2
        _crease(canvas, curve, 0.8, 0.42 * age * rng.random(), rng)
    wing, mouth = face.wing, face.point(54)
    fold = spline(
        np.array([[wing[0] + 2.0, wing[1] - 4.0], [wing[0] + 7.0, wing[1] + 8.0], [mouth[0] + 7.0, mouth[1] - 1.0]]), 30
    )
    _crease(canvas, fold, 2.4, 0.04 + 0.4 * age * rng.uniform(0.3, 1.0), rng)


def paint_spots(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paints freckles on fair skin, age spots, moles, and blemishes of young people."""
    face, size = canvas.face, canvas.face.layout.size
    if person.tone.darkness < 0.55 and rng.random() < 0.3:
        count = int(rng.uniform(60, 500))
        x, y = rng.normal(0.0, 28.0, count), rng.normal(face.point(29)[1] + 4.0, 16.0, count)
        amount = _dots(canvas, x, y, rng.uniform(0.5, 1.3, count), rng.uniform(0.15, 0.8, count))
        canvas.pigment(rng.uniform(0.15, 0.45) * amount * face.skin, MELANIN * np.array([0.75, 1.1, 1.4]))
    if rng.random() < 0.8 * person.age:
        count = int(rng.uniform(4, 40))
        x, y = rng.uniform(-75, 75, count), rng.uniform(face.point(24)[1] - 45, face.point(8)[1], count)
        amount = blur(_dots(canvas, x, y, rng.uniform(1.5, 4.5, count), np.ones(count))[..., None], 1.2 * size / 512)
        canvas.pigment(rng.uniform(0.05, 0.2) * amount[..., 0] * face.skin, MELANIN)
    count = rng.poisson(2.5)
    x, y = rng.uniform(-65, 65, count), rng.uniform(face.point(24)[1] - 35, face.point(8)[1] + 25, count)
    away = np.ones(count) * (np.abs(x) > 4)
    canvas.pigment(0.9 * _dots(canvas, x, y, rng.uniform(0.8, 2.4, count), away) * face.skin, MELANIN)
    if rng.random() < 0.35 * (1.0 - person.age):
        count = rng.poisson(12)
        x, y = rng.normal(0, 32, count), rng.normal(face.point(33)[1], 30, count)
        amount = blur(_dots(canvas, x, y, rng.uniform(1.5, 3.5, count), np.ones(count))[..., None], 1.4 * size / 512)
        canvas.pigment(rng.uniform(0.1, 0.3) * amount[..., 0] * face.skin, HAEMOGLOBIN)


def _dots(canvas: Canvas, x: ndarray, y: ndarray, diameter: ndarray, opacity: ndarray) -> Float[ndarray, "H H"]:
    """The share of each texel that round spots cover. Their diameters are in mm."""
    ends = np.stack([np.stack([x, y], 1), np.stack([x + 0.15 * diameter, y], 1)], axis=1)
    return canvas.strokes(ends, diameter, opacity)


def paint_nostrils(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Darkens the nostrils, from which hardly any light comes."""
    face, nostril = canvas.face, canvas.face.point(35)
    dark = bump(np.abs(face.x), face.y, nostril[0], nostril[1] - 0.8, 3.2, 1.9)
    canvas.pigment(rng.uniform(0.6, 1.0) * dark, np.array([0.95, 1.05, 0.95]))


def paint_lips(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paints the lips: more or less blood and melanin than the base has, fine vertical lines, and a darker seam."""
    face, size = canvas.face, canvas.face.layout.size
    edge = face.lips + 0.5 * smooth_noise(rng, size, 40)
    lips = smoothstep(edge, 0.9, -1.1) * face.skin
    canvas.pigment(rng.normal(0.18, 0.16) * lips, HAEMOGLOBIN)
    canvas.pigment(rng.normal(0.05, 0.10) * (0.5 + person.tone.darkness) * lips, MELANIN)
    lines = blur(rng.standard_normal((size, size, 1)), 0.8 * size / 512)
    lines = blur(np.repeat(lines[:: max(1, size // 128)], max(1, size // 128), axis=0)[:size], 0.7 * size / 512)[..., 0]
    canvas.pigment(0.10 * lines * lips, np.array([0.6, 1.0, 0.9]))
    canvas.pigment(rng.uniform(0.3, 0.8) * np.exp(-((face.seam / 0.9) ** 2)), np.array([0.9, 1.15, 1.1]))
    canvas.pigment(rng.uniform(0.05, 0.2) * np.exp(-((face.seam / 3.0) ** 2)), np.array([0.6, 1.0, 0.9]))
    outline = np.exp(-((face.lips / 1.2) ** 2)) * face.skin
    canvas.pigment(rng.normal(0.02, 0.03) * outline, MELANIN)


def paint_make_up(canvas: Canvas, person: Person, rng: np.random.Generator) -> None:
    """Paints lipstick, eye shadow, eye liner and rouge, each independently, mostly on feminine faces."""
    face = canvas.face
    if rng.random() > 0.55 * (1.0 - person.masculinity):
        return
    across, (inner, outer) = np.abs(face.x), face.eye_corners
    if rng.random() < 0.7:
        colour = np.array([rng.uniform(0.25, 0.6), rng.uniform(0.02, 0.14), rng.uniform(0.03, 0.16)])
        lips = smoothstep(face.lips, 0.5, -0.5) * face.skin * np.exp(-0.4 * np.exp(-((face.seam / 1.0) ** 2)))
        canvas.cover(rng.uniform(0.15, 0.7) * lips, colour * (1.0 - 0.5 * person.tone.darkness))
    if rng.random() < 0.6:
        middle = 0.5 * (inner + outer)
        lid = bump(across, face.y, middle[0] + 1.0, face.layout.lid[:, 1].min() - 2.5, 12.0, 3.6) * face.skin
        hue = np.array([rng.uniform(0.3, 1.0), rng.uniform(0.5, 1.1), rng.uniform(0.3, 1.2)])
        canvas.pigment(rng.uniform(0.1, 0.6) * lid, hue)
    if rng.random() < 0.5:
        upper = face.lids[0][12:]
        upper = np.concatenate([upper, upper[-1:] + np.array([[2.5, -0.6]])])
        line = np.stack([upper[:-1], upper[1:]], axis=1)
        for side in (-1.0, 1.0):
            cover = canvas.strokes(line * np.array([side, 1.0]), 2.2, 0.6)
            canvas.cover(rng.uniform(0.5, 0.9) * cover, np.array([0.01, 0.01, 0.01]))
    if rng.random() < 0.5:
        rouge = bump(across, face.y, outer[0] + 4.0, face.point(30)[1] - 2.0, 15.0, 9.0)
        canvas.pigment(rng.uniform(0.05, 0.25) * rouge * face.skin, HAEMOGLOBIN)
