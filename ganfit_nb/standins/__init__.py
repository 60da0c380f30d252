"""What is made where a dataset may not ship: heads, cameras, scanners and folders in the datasets' own layout."""

from ganfit_nb.standins.scanner import scan

__all__ = ["scan"]
