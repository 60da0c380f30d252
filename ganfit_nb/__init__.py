"""GANFIT, step by step: fits a textured 3D face to a photograph and yields every step.

from ganfit_nb import FaceModel, FitConfig, Photo, fit

for step in fit(Photo.open("portrait.jpg"), FaceModel.default(), FitConfig(steps=100)):
    print(step.stage, step.index, step.total)
"""

import os

import torch

# torch uses one thread unless OMP_NUM_THREADS says otherwise. A step consists of many small operations. A second thread
# makes them faster by a third at best, and 10 to 100 times slower when another process needs its core. With one thread
# a fit also gives the same bits on machines with any number of cores.
if "OMP_NUM_THREADS" not in os.environ:
    torch.set_num_threads(1)

from ganfit_nb.errors import GanfitError
from ganfit_nb.face.face_model import FaceModel
from ganfit_nb.fitting.config import FitConfig
from ganfit_nb.fitting.free_groups import FreeGroups
from ganfit_nb.fitting.losses import LossWeights
from ganfit_nb.fitting.stages import fit, fit_people, fit_set
from ganfit_nb.fitting.steps import FitStep, SetStep
from ganfit_nb.model_files.load import load_face_model
from ganfit_nb.parameters import FaceParameters
from ganfit_nb.photos.photo import Photo

__all__ = [
    "FaceModel",
    "FaceParameters",
    "FitConfig",
    "FitStep",
    "FreeGroups",
    "GanfitError",
    "LossWeights",
    "Photo",
    "SetStep",
    "fit",
    "fit_people",
    "fit_set",
    "load_face_model",
]
