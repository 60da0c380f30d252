"""What each loss is for: variants of Fig. 5, fitted side by side from the same start with the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import ipywidgets as widgets
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from traitlets import Tuple, observe, validate

from ganfit_nb.errors import GanfitError
from ganfit_nb.evaluation.ablation import VARIANTS, Variant, side_by_side
from ganfit_nb.face_model import FaceModel
from ganfit_nb.fitting import FitConfig, FitStep
from ganfit_nb.identity import IdentityNetwork
from ganfit_nb.losses import LossWeights
from ganfit_nb.objective import Objective
from ganfit_nb.photo import Photo
from ganfit_nb.result import Result
from ganfit_widgets.component import Component
from ganfit_widgets.drawing import Drawing
from ganfit_widgets.photo_view import FittedPhoto
from ganfit_widgets.picture_view import PictureView
from ganfit_widgets.step_player import StepPlayer

AT_FIRST = ("full", "no-identity", "no-pixel", "no-landmark", "pca")
SIDE = 150  # pixels of a picture
COLUMNS = {"variant": 0, "identity distance": 140, "landmarks, % of the eyes": 265, "pixels (Eq. 10)": 415}
WIDTH, ROW = 540, 20


@dataclass(frozen=True)
class Measures:
    """What a variant has reached, measured also where the term was left out of its fit.

    identity   Euclidean distance of dlib's descriptors of photo and rendering; below 0.6 is the same person
    landmarks  mean error over the distance of the outer eye corners
    pixel      L_pix (Eq. 10)
    """

    identity: float
    landmarks: float
    pixel: float

    @classmethod
    @torch.no_grad()
    def of(cls, photo: Photo, model: FaceModel, config: FitConfig, step: FitStep, network: IdentityNetwork) -> Measures:
        """Of one step of a fit to `photo`, which has the size of the fit."""
        result = Result(photo, model, config, [step])
        objective = Objective(photo, model, network, config.seed)
        pixel = objective.evaluate(step.parameters, LossWeights().only("pixel"), 0).terms["pixel"]
        return cls(result.identity_distance(), result.landmark_error(), float(pixel))


class AblationBoard(StepPlayer):
    """Fits of one photo, each without one part. Alone in three lines:

        board = AblationBoard(photo, FaceModel.default(), FitConfig(steps=40, size=128))
        display(board)
        await board.finish()  # or press Play

    A step is a mapping from names to FitSteps. The toggles choose who takes part; a change begins anew.

    chosen    names of the variants that take part, in the order of VARIANTS
    measures  {name: Measures} of the step that is shown
    """

    chosen = Tuple(AT_FIRST)

    def __init__(
        self,
        photo: Photo,
        model: FaceModel,
        config: FitConfig | None = None,
        variants: Mapping[str, Variant] = VARIANTS,
        network: IdentityNetwork | None = None,
    ) -> None:
        self.config, self.variants = config or FitConfig(), dict(variants)
        self.photo, self.model = photo.at(self.config.size), model
        self.network = network or IdentityNetwork.default()
        self.measures: dict[str, Measures] = {}
        self._models: dict[str, FaceModel] = {}
        self._toggles = {name: _toggle(variant) for name, variant in self.variants.items()}
        self._pictures = {name: PictureView(variant.label, size=SIDE) for name, variant in self.variants.items()}
        self._table = _Table()
        toggles = widgets.HBox(list(self._toggles.values()))
        self._views = widgets.HBox()
        toggles.add_class("ganfit-row")
        self._views.add_class("ganfit-views")
        self.chosen = tuple(name for name in self.variants if name in AT_FIRST) or tuple(self.variants)
        super().__init__(self._new_steps, [toggles, self._views, self._table])
        for name, toggle in self._toggles.items():
            toggle.observe(partial(self._toggled, name), "value")
        self.restart()

    @validate("chosen")
    def _known_variants(self, proposal: dict) -> tuple[str, ...]:
        unknown = set(proposal["value"]) - set(self.variants)
        if unknown or not proposal["value"]:
            raise GanfitError(f"Choose at least one of the variants {', '.join(self.variants)}.")
        return tuple(name for name in self.variants if name in proposal["value"])

    @observe("chosen")
    def _chosen_changed(self, _: dict) -> None:
        if self.children:  # not while it is being built
            self.restart()

    def _toggled(self, name: str, change: dict) -> None:
        wanted = {*self.chosen, name} if change["new"] else {*self.chosen} - {name}
        if wanted:
            self.chosen = tuple(wanted)
        else:
            self._toggles[name].value = True  # the last one stays

    def _new_steps(self) -> Iterator[dict[str, FitStep]]:
        chosen = {name: self.variants[name] for name in self.chosen}
        return side_by_side(self.photo, self.model, self.config, chosen, self.network)

    def describe(self, steps: list[Any]) -> str:
        """Stage and step, which all variants share."""
        step = next(iter(steps[-1].values()))
        return f"<b>{step.stage}</b> step {step.index} of {self.config.steps}"

    def prepare(self, steps: list[Any]) -> tuple[dict[str, Tensor], dict[str, Measures]]:
        """Of each variant the fitted face over the photo, and what it has reached."""
        pictures, measures = {}, {}
        for name, step in steps[-1].items():
            model = self._model_of(name)
            pictures[name] = FittedPhoto.of(self.photo, model, step.parameters).over(self.photo.image)
            measures[name] = Measures.of(self.photo, model, self.config, step, self.network)
        return pictures, measures

    def draw(self, content: tuple[dict[str, Float[Tensor, "H W 3"]], dict[str, Measures]]) -> None:
        """Updates pictures and table."""
        pictures, self.measures = content
        for name, picture in pictures.items():
            self._pictures[name].show(picture)
        self._show_table()

    def reset(self) -> None:
        """The photo in every place."""
        for name, toggle in self._toggles.items():
            toggle.value = name in self.chosen
        self._views.children = [self._pictures[name] for name in self.chosen]
        self.measures = {}
        for picture in self._pictures.values():
            picture.show(self.photo.image)
        self._show_table()

    def _show_table(self) -> None:
        self._table.show({self.variants[name].label: self.measures.get(name) for name in self.chosen})

    def _model_of(self, name: str) -> FaceModel:
        if name not in self._models:
            self._models[name] = self.variants[name].model(self.model).seen_at(self.config.size)
        return self._models[name]


class _Table(Component):
    """Measures by variant, the best of each column marked."""

    def __init__(self) -> None:
        self._html = widgets.HTML()
        super().__init__([self._html])
        self.show({})

    def show(self, measures: Mapping[str, Measures | None]) -> None:
        self._drawing = _draw_table(measures)
        self._html.value = self._drawing.svg("what each variant has reached")
        self.changed()

    def picture(self) -> Image.Image:
        return self._drawing.picture()


def _draw_table(measures: Mapping[str, Measures | None]) -> Drawing:
    drawing = Drawing(WIDTH, ROW * (len(measures) + 1) + 6)
    for title, x in COLUMNS.items():
        drawing.text(x + 4, 14, title)
    drawing.line(0, ROW, WIDTH, ROW, strong=True)
    rows = {label: (m.identity, 100 * m.landmarks, m.pixel) for label, m in measures.items() if m}
    columns = [list(column) for column in zip(*rows.values(), strict=True)]
    best = [min(column) if column.count(min(column)) == 1 else None for column in columns]  # a tie has no best
    for number, label in enumerate(measures, 1):
        y = ROW * number + 15
        drawing.text(4, y, label)
        figures = zip(rows[label], best, (3, 2, 4), strict=True) if label in rows else ()
        for x, (value, least, digits) in zip(list(COLUMNS.values())[1:], figures, strict=False):  # none at first
            drawing.text(x + 4, y, f"{value:.{digits}f}{'  ← best' if least == value else ''}")
    return drawing


def _toggle(variant: Variant) -> widgets.ToggleButton:
    without = f"Leaves out: {', '.join(variant.without)}" if variant.without else "The whole objective"
    tooltip = f"Takes the {variant.texture} texture" if variant.texture else without.replace("_", " ")
    return widgets.ToggleButton(description=variant.label, tooltip=tooltip, layout={"width": "auto"})
