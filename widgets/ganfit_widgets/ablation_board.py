"""Shows what each loss contributes: the variants of Fig. 5 are fitted side by side, with the same start and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import count
from typing import Any

import ipywidgets as widgets
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from traitlets import Tuple, observe, validate

from ganfit_nb.errors import GanfitError
from ganfit_nb.evaluation.ablation import VARIANTS, Variant
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.steps import FitStep
from ganfit_nb.networks.identity import IdentityNetwork
from ganfit_nb.photos.photo import Photo
from ganfit_nb.results.drawing import Drawing
from ganfit_widgets.component import Component
from ganfit_widgets.fit_stages import FitStages
from ganfit_widgets.measures import Measures, PhotoJudge
from ganfit_widgets.photo_view import FittedPhoto
from ganfit_widgets.picture_view import PictureView
from ganfit_widgets.step_course import Course

AT_FIRST = ("full", "no-identity", "no-pixel", "no-landmark", "pca")
SIDE = 150  # px, width of a picture
COLUMNS = {
    "variant": 0,
    "identity distance": 120,
    "landmarks, %": 235,
    "pixels": 325,
    "similarity at the end": 395,
}
DIGITS, BEST = (3, 2, 4, 2), (min, min, min, max)  # of the columns behind the variant
WIDTH, ROW = 540, 20


class _Fit:
    """The steps of one variant that exist so far. `begin` is called at the first step, because it reads a model."""

    def __init__(self, begin: Callable[[], Iterator[FitStep]]) -> None:
        self.steps: list[FitStep] = []
        self._begin = begin

    @cached_property
    def _source(self) -> Iterator[FitStep]:
        return self._begin()

    def step(self, index: int) -> FitStep | None:
        """The step with this index, which is computed if it does not exist yet. None after the last step."""
        while len(self.steps) <= index:
            step = next(self._source, None)
            if step is None:
                return None
            self.steps.append(step)
        return self.steps[index]


class AblationBoard(FitStages):
    """Fits of one photo, each without one part. To use it alone:

        board = AblationBoard(photo, FaceModel.default(), FitConfig(steps=40, size=128))
        display(board)
        await board.finish()  # or press Play

    A step is a mapping from names of variants to FitSteps. The toggles choose the variants that take part. All computed
    steps are kept. A variant that is switched on later is first fitted up to the step of the others.

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
        self._judge, self._fits = PhotoJudge(self.photo), self._new_fits()
        self.measures: dict[str, Measures] = {}
        self._models: dict[str, FaceModel] = {}
        self._toggles = {name: _toggle(variant) for name, variant in self.variants.items()}
        self._pictures = {name: PictureView(variant.label, size=SIDE) for name, variant in self.variants.items()}
        self._table = _Table()
        toggles = widgets.HBox(list(self._toggles.values()))
        self._views = widgets.HBox()
        toggles.add_class("ganfit-row")
        self._views.add_class("ganfit-views")
        self._views.add_class("ganfit-even")
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
        if not self.children:  # the constructor is still running
            return
        known = min(len(self._fits[name].steps) for name in self.chosen)
        steps = [{name: self._fits[name].steps[index] for name in self.chosen} for index in range(known)]
        self._begin(Course(self._new_steps(known), steps), self.course)
        self.transport.status.value = ""
        self.reset()
        if steps:
            self.scrub(known - 1)
        self.changed()

    def restart(self) -> None:
        """Deletes all computed steps and begins again."""
        self._fits = self._new_fits()
        super().restart()

    def _toggled(self, name: str, change: dict) -> None:
        wanted = {*self.chosen, name} if change["new"] else {*self.chosen} - {name}
        if wanted:
            self.chosen = tuple(wanted)
        else:
            self._toggles[name].value = True  # one variant must stay switched on

    def _new_fits(self) -> dict[str, _Fit]:
        arguments = self.photo, self.model, self.config, self.network
        return {name: _Fit(partial(variant.fit, *arguments)) for name, variant in self.variants.items()}

    def _new_steps(self, first: int = 0) -> Iterator[dict[str, FitStep]]:
        fits = {name: self._fits[name] for name in self.chosen}
        for index in count(first):
            turn = {name: step for name, fit in fits.items() if (step := fit.step(index))}
            if len(turn) < len(fits):
                return
            yield turn

    def one(self, step: Any) -> FitStep:
        """The FitStep of any variant, because all are at the same stage and index."""
        return next(iter(step.values()))

    def describe(self, steps: list[Any]) -> str:
        """The stage and the step, which all variants share."""
        return f"<b>{self.one(steps[-1]).stage}</b> {self.counted(steps)}"

    def prepare(self, steps: list[Any]) -> tuple[dict[str, Tensor], dict[str, Measures]]:
        """For each variant, the fitted face over the photo, and its measures."""
        fitted = {
            name: FittedPhoto.of(self.photo, self._model_of(name), step.parameters, self.config.occlusion)
            for name, step in steps[-1].items()
        }
        pictures = {name: each.over for name, each in fitted.items()}
        at_end = self.remaining(steps) == 0
        return pictures, {name: self._judge.measure(each, judged=at_end) for name, each in fitted.items()}

    def draw(self, content: tuple[dict[str, Float[Tensor, "H W 3"]], dict[str, Measures]]) -> None:
        """Updates the pictures and the table."""
        pictures, self.measures = content
        for name, picture in pictures.items():
            self._pictures[name].show(picture)
        self._show_table()

    def reset(self) -> None:
        """Shows the photo in place of every picture."""
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
    """A table of measures by variant. The best of each column is marked."""

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
    rows = {label: (m.identity, 100 * m.landmarks, m.pixel, m.similarity) for label, m in measures.items() if m}
    columns = list(zip(*rows.values(), strict=True)) or [()] * len(DIGITS)
    best = [_best(column, better) for column, better in zip(columns, BEST, strict=True)]
    for number, label in enumerate(measures, 1):
        y = ROW * number + 15
        drawing.text(4, y, label)
        figures = zip(list(COLUMNS.values())[1:], rows.get(label, [None] * len(DIGITS)), best, DIGITS, strict=True)
        for x, value, best_value, digits in figures:
            if value is not None:
                drawing.text(x + 4, y, f"{value:.{digits}f}{'  ← best' if value == best_value else ''}")
    return drawing


def _best(column: Sequence[float | None], better: Callable[[list[float]], float]) -> float | None:
    """The best known value of a column. A tie has no best."""
    known = [value for value in column if value is not None]
    return better(known) if known and known.count(better(known)) == 1 else None


def _toggle(variant: Variant) -> widgets.ToggleButton:
    without = f"Leaves out: {', '.join(variant.without)}" if variant.without else "The whole objective"
    tooltip = f"Takes the {variant.texture} texture" if variant.texture else without.replace("_", " ")
    return widgets.ToggleButton(description=variant.label, tooltip=tooltip, layout={"width": "auto"})
