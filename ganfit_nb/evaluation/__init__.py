"""Measures how good a reconstruction is: the paper's experiments (Sec. 4, Appendix A)."""

from ganfit_nb.evaluation.ablation import VARIANTS
from ganfit_nb.evaluation.distances import point_to_plane, point_to_point
from ganfit_nb.evaluation.known_face import shape_error
from ganfit_nb.evaluation.micc_table import table
from ganfit_nb.evaluation.scan_error import Reconstruction, Scan, lay_onto, scan_error
from ganfit_nb.evaluation.scan_judge import ScanJudge
from ganfit_nb.evaluation.scan_report import error_map

__all__ = [
    "VARIANTS",
    "Reconstruction",
    "Scan",
    "ScanJudge",
    "error_map",
    "lay_onto",
    "point_to_plane",
    "point_to_point",
    "scan_error",
    "shape_error",
    "table",
]
