"""Plays an ICP: the moving mesh over the target, coloured by its distance from it, and the curve of the rms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray as Array
from PIL import Image
from torch import Tensor
from traitlets import Bool, observe

from ganfit_nb.geometry.aligners import onto_planes, onto_points
from ganfit_nb.geometry.icp import EXACT, SETTLED, STEPS, IcpStep, icp
from ganfit_nb.geometry.similarity import Similarity
from ganfit_nb.geometry.surface import Surface
from ganfit_widgets.colour_map import BAR_HEIGHT, TEXT_HEIGHT
from ganfit_widgets.curve_chart import CurveChart
from ganfit_widgets.mesh_view import MeshView
from ganfit_widgets.picture_view import at_least
from ganfit_widgets.step_player import StepPlayer

COLOURED = (0.0, 5.0)  # mm; fixed, so that colours can be compared between steps and between scans

RECENT = 8  # number of last turns that the time left is estimated from
SIDE = 235  # px, width of a view


@dataclass(frozen=True)
class _Content:
    vertices: Float[Tensor, "W 3"]
    residual: Float[Tensor, " V"]
    rms: list[dict[str, float]]
    transform: str


class IcpPlayer(StepPlayer):
    """Plays `icp`: the target is clay, the source has colours. It is shown over the target and alone. To use it alone:

        player = IcpPlayer(Surface(prediction, faces), Surface.read(scan))
        display(player)
        await player.finish()  # or press Play

    A vertex of the source that takes no part (its partner is on the target's border, or far away) is clay, too.
    Scrub back and branch to go on from an earlier step with the other settings.

    planes  whether the source moves towards the planes at its partners, instead of towards the partners
    scaled  whether the size of the source is free
    """

    planes = Bool(False)
    scaled = Bool(False)

    def __init__(
        self, source: Surface, target: Surface, start: Similarity | None = None, *, scaled: bool = False
    ) -> None:
        self.source, self.target, self.start = source, target, start or Similarity.identity()
        self._centre = target.vertices.mean(0)
        faces = np.concatenate([source.faces, target.faces + len(source.vertices)])
        vertices = self._both(self.start(source.vertices))
        self.both = MeshView(vertices, torch.from_numpy(faces), size=SIDE)
        self.mesh = MeshView(vertices[: len(source.vertices)], torch.from_numpy(source.faces), size=SIDE)
        self.mesh.link(self.both)
        self._chart = CurveChart("rms distance, mm")
        planes = widgets.Checkbox(
            description="point to plane",
            tooltip="Lets the surfaces slide along each other, and so arrives sooner",
            indent=False,
        )
        free = widgets.Checkbox(description="free size", tooltip="A similarity instead of a rigid motion", indent=False)
        for box in (planes, free):
            box.layout.width = "130px"
        self._transform = widgets.HTML()
        settings = widgets.HBox([planes, free, self._transform]).add_class("ganfit-row")
        views = widgets.HBox([self.both, self.mesh, self._chart]).add_class("ganfit-views")
        super().__init__(self._new_steps, [settings, views])
        self.scaled = scaled
        widgets.link((self, "planes"), (planes, "value"))
        widgets.link((self, "scaled"), (free, "value"))
        self._made_with = self.settings()
        self.restart()

    def picture(self) -> Image.Image:
        """A picture of both views and the curve."""
        return at_least(super().picture(), self.mesh.size + BAR_HEIGHT + TEXT_HEIGHT)

    def _new_steps(self, start: IcpStep | None = None) -> Iterator[IcpStep]:
        align = onto_planes if self.planes else onto_points
        begin = start.transform if start else self.start
        steps = icp(self.source, self.target, scaled=self.scaled, start=begin, align=align)
        for step in steps:
            if not start:
                yield step
            elif step.index:  # the start has been shown already
                yield replace(step, index=start.index + step.index)

    @observe("planes", "scaled")
    def _setting_changed(self, _: dict) -> None:
        if self.index < 1:  # no step has been taken that would be lost
            self._begin_again()

    def settings(self) -> tuple[bool, bool]:
        """The state of both switches: planes, and scaled."""
        return self.planes, self.scaled

    def restore(self, settings: tuple[bool, bool]) -> None:
        """Sets both switches."""
        self.planes, self.scaled = settings

    def describe(self, steps: list[Any]) -> str:
        """The step, the rms and the number of vertices that take part."""
        step, line = steps[-1], self.counted(steps)
        return f"{line} · rms {step.rms:.3f} mm over {int(step.used.sum())} of {len(step.used)} vertices"

    def effort_left(self, steps: list[Any]) -> float:
        """The estimated number of turns until it settles.

        The estimate assumes that the rms keeps falling as in the last turns. It is at least 1.
        """
        at_most = STEPS - steps[-1].index
        changes = np.abs(np.diff([step.rms for step in steps[-RECENT:]]))
        if len(changes) < 2 or not 0 < changes[-1] < changes[0]:
            return at_most
        shrinks = np.log(changes[0] / changes[-1]) / (len(changes) - 1)  # per turn, as a logarithm
        settled = max(SETTLED * steps[-1].rms, SETTLED * EXACT)
        return float(np.clip(np.log(changes[-1] / settled) / shrinks, 0, at_most))

    def prepare(self, steps: list[Any]) -> _Content:
        """Both meshes, the residuals, and the rms so far."""
        step = steps[-1]
        residual = np.where(step.used, step.residual, np.nan)
        rms = [{"rms": each.rms} for each in steps]
        return _Content(self._both(step.vertices), torch.from_numpy(residual).float(), rms, _in_words(step.transform))

    def draw(self, content: _Content) -> None:
        """Moves and colours the source."""
        self._move(content.vertices)
        far = torch.full((len(self.target.vertices),), torch.nan)
        self.both.show_values(torch.cat([content.residual, far]), label="over the target", unit="mm", limits=COLOURED)
        self.mesh.show_values(content.residual, label="the source alone", unit="mm", limits=COLOURED)
        self._chart.show(content.rms)
        self._transform.value = content.transform

    def reset(self) -> None:
        """Shows source and target at the start."""
        self._move(self._both(self.start(self.source.vertices)))
        for mesh in (self.both, self.mesh):
            mesh.show_values(None)
        self._chart.show([])
        self._transform.value = ""

    def _move(self, vertices: Float[Tensor, "W 3"]) -> None:
        self.both.show(vertices)
        self.mesh.show(vertices[: len(self.source.vertices)])

    def _both(self, source: Float[Array, "V 3"]) -> Float[Tensor, "W 3"]:
        return torch.from_numpy(np.concatenate([source, self.target.vertices]) - self._centre).float()


def _in_words(transform: Similarity) -> str:
    angle = np.degrees(np.arccos(np.clip((np.trace(transform.rotation) - 1) / 2, -1, 1)))
    moved = np.linalg.norm(transform.translation)
    return f"turned {angle:.1f}°, moved {moved:.1f} mm, scaled × {transform.scale:.3f}"
