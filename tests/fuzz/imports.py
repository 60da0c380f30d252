"""Loads what the readers need, so that the child's memory is limited behind it."""

import h5py  # noqa: F401
import numpy as np
import onnx  # noqa: F401
import torch
import trimesh  # noqa: F401

from ganfit_nb.evaluation import lfw  # noqa: F401
from ganfit_nb.face import texture  # noqa: F401
from ganfit_nb.geometry import surface  # noqa: F401
from ganfit_nb.model_files import read  # noqa: F401
from ganfit_nb.networks import onnx_recogniser  # noqa: F401

torch.set_num_threads(1)
torch.nn.functional.conv2d(torch.zeros(1, 3, 8, 8), torch.zeros(3, 3, 3, 3)) @ torch.zeros(6, 6)
np.zeros((64, 64)) @ np.zeros((64, 64))  # starts the threads of BLAS, which take address space
