"""Notebook components over ganfit_nb's generators: each one usable alone, its state in traits."""

from ganfit_widgets.component import Component
from ganfit_widgets.curve_chart import CurveChart
from ganfit_widgets.export_panel import ExportPanel
from ganfit_widgets.fit_player import FitPlayer
from ganfit_widgets.group_toggles import GroupToggles
from ganfit_widgets.loss_controls import LossControls
from ganfit_widgets.mesh_view import MeshView
from ganfit_widgets.photo_view import FittedPhoto, PhotoView
from ganfit_widgets.step_player import StepPlayer

__all__ = [
    "Component",
    "CurveChart",
    "ExportPanel",
    "FitPlayer",
    "FittedPhoto",
    "GroupToggles",
    "LossControls",
    "MeshView",
    "PhotoView",
    "StepPlayer",
]
