"""Notebook components that play ganfit_nb's generators. Each can be used alone, and keeps its state in traits."""

from ganfit_widgets.ablation_board import AblationBoard
from ganfit_widgets.component import Component
from ganfit_widgets.curve_chart import CurveChart
from ganfit_widgets.export_panel import ExportPanel
from ganfit_widgets.fit_player import FitPlayer
from ganfit_widgets.fit_settings import FitSettings
from ganfit_widgets.gradient_explorer import GradientExplorer
from ganfit_widgets.group_toggles import GroupToggles
from ganfit_widgets.icp_player import IcpPlayer
from ganfit_widgets.inversion_player import InversionPlayer
from ganfit_widgets.latent_explorer import LatentExplorer
from ganfit_widgets.live import live
from ganfit_widgets.loss_controls import LossControls
from ganfit_widgets.mesh_view import MeshView
from ganfit_widgets.morph_explorer import MorphExplorer
from ganfit_widgets.photo_view import FittedPhoto, PhotoView
from ganfit_widgets.picture_view import PictureView
from ganfit_widgets.set_player import SetPlayer
from ganfit_widgets.spectrum import Spectrum
from ganfit_widgets.step_player import StepPlayer
from ganfit_widgets.vertex_gradients import VertexGradients

__all__ = [
    "AblationBoard",
    "Component",
    "CurveChart",
    "ExportPanel",
    "FitPlayer",
    "FitSettings",
    "FittedPhoto",
    "GradientExplorer",
    "GroupToggles",
    "IcpPlayer",
    "InversionPlayer",
    "LatentExplorer",
    "LossControls",
    "MeshView",
    "MorphExplorer",
    "PhotoView",
    "PictureView",
    "SetPlayer",
    "Spectrum",
    "StepPlayer",
    "VertexGradients",
    "live",
]
