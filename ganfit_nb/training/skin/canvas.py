"""The canvas of one map, and what its painters know about the face under it and about the person."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ganfit_nb.training.skin.painting import distance_to_curve, draw_strokes, signed_distance, spline
from ganfit_nb.training.skin.skin_tone import MAX_MELANIN, SkinTone, draw_tone
from ganfit_nb.training.skin.uv_layout import UvLayout


@dataclass(frozen=True)
class Person:
    """Properties that several painters share. Age runs from 0 (20 years) to 1 (75), masculinity from 0 to 1."""

    tone: SkinTone
    age: float
    masculinity: float
    hair: Float[ndarray, " 3"]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Person:
        """A random person. Dark skin goes with dark hair, and age with grey hair."""
        tone = draw_tone(rng)
        age = float(rng.beta(1.0, 1.6))
        masculinity = float(np.clip(rng.normal(0.78 if rng.random() < 0.5 else 0.22, 0.12), 0.0, 1.0))
        return cls(tone, age, masculinity, _draw_hair(rng, tone, age))


def _draw_hair(rng: np.random.Generator, tone: SkinTone, age: float) -> Float[ndarray, " 3"]:
    """Linear RGB of hair, from blond to black by eumelanin, reddened by pheomelanin, and greyer with age."""
    fair = rng.beta(0.9, 2.2) * max(0.0, 1.0 - 1.6 * tone.melanin / MAX_MELANIN)
    colour = np.exp(-(3.9 - 2.6 * fair) * np.array([0.93, 1.06, 1.22]))
    if rng.random() < 0.08 and tone.darkness < 0.35:
        colour = colour * np.array([1.5, 0.85, 0.5])
    grey = np.clip(rng.normal(1.6 * age - 0.7, 0.25), 0.0, 0.9)
    return ((1 - grey) * colour + grey * np.array([0.33, 0.32, 0.30])).astype(np.float32)


@dataclass(frozen=True)
class Face:
    """The geometry that all painters use: distances in mm on the chart of a layout."""

    layout: UvLayout

    @property
    def x(self) -> Float[ndarray, "H H"]:
        """Chart x, mm to the right of the middle."""
        return self.layout.chart[..., 0]

    @property
    def y(self) -> Float[ndarray, "H H"]:
        """Chart y, mm downwards."""
        return self.layout.chart[..., 1]

    def point(self, *indices: int) -> Float[ndarray, " 2"]:
        """The mean of some of the 68 landmarks, mm."""
        return self.layout.landmarks[list(indices)].mean(axis=0)

    @property
    def wing(self) -> Float[ndarray, " 2"]:
        """The outer edge of the nose's wing on the image's right, mm.

        It lies farther out than on a face, because the chart unrolls the nose around its nostril.
        """
        return self.point(35) * [1.95, 1.0] - [0.0, 4.0]

    @property
    def brow(self) -> Float[ndarray, "5 2"]:
        """Centre line of the brow on the image's right from its head to its tail, mm.

        The landmarks follow the upper edge of the brow, and the last one lies on the temple.
        """
        line = self.layout.landmarks[22:27] + np.array([0.0, 3.3])
        line[4] = 0.45 * line[3] + 0.55 * line[4] + np.array([0.0, 3.5])
        return line

    @cached_property
    def lips(self) -> Float[ndarray, "H H"]:
        """Signed distance to the outer lip line, mm, negative on the lips."""
        corner, bottom = self.point(54), self.point(57)
        # The canonical face's lower lip is thinner than this mesh's, so only its depth is taken from the landmarks.
        depth = 1.15 * (bottom[1] - corner[1])
        lower = corner + np.array([[-0.25, 0.55], [-0.58, 0.9], [-1.0, 1.0]]) * [corner[0], depth]
        lower = np.concatenate([lower, lower[1::-1] * [-1.0, 1.0]])
        outline = np.concatenate([self.layout.landmarks[48:55], lower])
        return signed_distance(self.layout.chart, spline(outline, 120, closed=True))

    @cached_property
    def seam(self) -> Float[ndarray, "H H"]:
        """Distance to the line between the closed lips, mm."""
        corner = self.point(54)
        return distance_to_curve(self.layout.chart, np.array([[-0.92 * corner[0], corner[1]], corner * [0.92, 1.0]]))

    @cached_property
    def eye_outline(self) -> Float[ndarray, "H H"]:
        """Signed distance to the nearer lid line, mm, negative within the eye opening."""
        right = signed_distance(self.layout.chart, self.layout.lid)
        return np.minimum(right, right[:, ::-1])

    @property
    def eye_corners(self) -> tuple[Float[ndarray, " 2"], Float[ndarray, " 2"]]:
        """Inner and outer corner of the eye on the image's right, mm."""
        return self.layout.lid[0], self.layout.lid[len(self.layout.lid) // 2]

    @cached_property
    def lids(self) -> tuple[Float[ndarray, "U 2"], Float[ndarray, "L 2"]]:
        """Edges of the upper and of the lower lid on the image's right, from the inner to the outer corner, mm."""
        half = len(self.layout.lid) // 2
        upper = self.layout.lid[: half + 1]
        lower = np.concatenate([self.layout.lid[half:], self.layout.lid[:1]])[::-1]
        return spline(upper, 60), spline(lower, 60)

    @cached_property
    def skin(self) -> Float[ndarray, "H H"]:
        """1 on skin, 0 on eyeballs and in the mouth."""
        mask = np.where(self.layout.mouth, 0.0, 1.0).astype(np.float32)
        for _, eye in self.layout.eyes:
            mask[eye] = 0.0
        return mask

    def height(self, *indices: int) -> float:
        """The mean height (y up, mm) of the surface under some of the 68 landmarks."""
        texels = (self.layout.landmarks[list(indices)] / self.layout.scale + [0.5, 0.0]) * self.layout.size
        return float(self.layout.position[tuple(texels.astype(int).T[::-1])].mean(axis=0)[1])

    @cached_property
    def azimuth(self) -> Float[ndarray, "H H"]:
        """The angle from straight ahead about a vertical axis between the ears: 0° at the nose, 90° at the ears."""
        position = self.layout.position
        return np.degrees(np.arctan2(np.abs(position[..., 0]), position[..., 2] - self.layout.eyes[1][0][2] + 58.0))

    @cached_property
    def hairline(self) -> Float[ndarray, "H H"]:
        """How far each texel lies above the hairline, mm.

        The hairline runs over the forehead, down the temples and around the ears.
        """
        eye = self.layout.eyes[1][0][1]
        knots = [0, 32, 52, 64, 72, 79, 86, 93, 110, 118, 126, 180]
        line = [69, 65, 45, 21, 0, -13, -12, 6, 6, -32, -52, -70]  # mm above the centres of the eyes
        return self.layout.position[..., 1] - np.interp(self.azimuth, knots, eye + np.array(line))


class Canvas:
    """A map that is being painted. It is kept as optical density, and painters change it in place."""

    def __init__(self, face: Face, density: Float[ndarray, "H H 3"]) -> None:
        self.face = face
        self.density = density.copy()

    def pigment(self, amount: Float[ndarray, "H H"], absorption: Float[ndarray, " 3"]) -> None:
        """Adds an amount of a pigment to the density."""
        box = _support(amount)
        self.density[box] += amount[box].astype(np.float32)[..., None] * np.asarray(absorption, np.float32)

    def cover(self, alpha: Float[ndarray, "H H"], colour: Float[ndarray, " 3"]) -> None:
        """Covers the share `alpha` of each texel by an opaque colour (linear RGB)."""
        box = _support(alpha)
        share = alpha[box].astype(np.float32)[..., None]
        light = np.exp(-self.density[box]) * (1.0 - share) + share * np.maximum(colour, 1e-4).astype(np.float32)
        self.density[box] = -np.log(light)

    def strokes(
        self,
        lines: Float[ndarray, "N K 2"],
        widths: Float[ndarray, " N"] | float,
        opacities: Float[ndarray, " N"] | float,
    ) -> Float[ndarray, "H H"]:
        """The share of each texel that some strokes cover. They are given in mm on the chart."""
        alpha = np.zeros((self.face.layout.size,) * 2)
        chart = self.face.layout.chart
        pitch = (chart[1, 1] - chart[0, 0]).astype(np.float64)
        draw_strokes(
            alpha,
            chart[0, 0].astype(np.float64) - 0.5 * pitch,
            pitch,
            np.ascontiguousarray(lines, np.float64),
            np.broadcast_to(widths, len(lines)).astype(np.float64),
            np.broadcast_to(opacities, len(lines)).astype(np.float64),
        )
        return alpha.astype(np.float32)


def _support(field: Float[ndarray, "H H"]) -> tuple[slice, slice]:
    """The box of texels where a field is not 0. Working in it saves time, because most painters touch few texels."""
    touched = np.abs(field) > 1e-3
    rows, columns = np.nonzero(touched.any(axis=1))[0], np.nonzero(touched.any(axis=0))[0]
    if len(rows) == 0:
        return slice(0), slice(0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
