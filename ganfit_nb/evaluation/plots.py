"""Makes and saves figures of matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganfit_nb.errors import GanfitError
from ganfit_nb.files.outputs import SIGNATURE, replaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(width: float, height: float) -> Figure:
    """A figure of this size in inches, without pyplot's global state. Raises GanfitError without matplotlib."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise GanfitError('Plots need matplotlib: pip install "ganfit_nb[lab]"') from error
    return Figure(
        figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.04, w_pad=0.04, hspace=0.0, wspace=0.0)
    )


def save_figure(drawn: Figure, path: Path, dpi: int) -> None:
    """Writes a figure to a PNG file with our signature."""
    with replaced(path) as work:
        drawn.savefig(work, dpi=dpi, metadata={"Software": SIGNATURE})
