"""Fits many photos, in several processes or on several machines."""

from ganfit_nb.batches.batch import Outcome, fit_all, tasks_of, written
from ganfit_nb.batches.workers import workers

__all__ = ["Outcome", "fit_all", "tasks_of", "workers", "written"]
