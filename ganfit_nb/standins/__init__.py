"""Generates stand-ins for datasets that may not ship: heads, photographs and scans in the datasets' own layout."""

from ganfit_nb.standins.scanner import scan

__all__ = ["scan"]
