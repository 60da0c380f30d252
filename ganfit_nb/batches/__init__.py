"""Many fits over processes or machines."""

from ganfit_nb.batches.batch import Outcome, fit_all, tasks_of, written
from ganfit_nb.batches.workers import workers

__all__ = ["Outcome", "fit_all", "tasks_of", "workers", "written"]
