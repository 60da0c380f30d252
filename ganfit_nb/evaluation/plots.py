"""Where figures are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganfit_nb.errors import GanfitError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(width: float, height: float) -> Figure:
    """A matplotlib figure in inches, without pyplot's global state; GanfitError when matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise GanfitError('Plots need matplotlib: pip install "ganfit_nb[lab]"') from error
    return Figure(
        figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.04, w_pad=0.04, hspace=0.0, wspace=0.0)
    )
