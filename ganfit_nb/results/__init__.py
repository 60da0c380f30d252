"""What a fit leaves behind: records, meshes, pictures, and how they were made."""

from ganfit_nb.results.export import contact_sheet, to_pil
from ganfit_nb.results.recipe import Recipe
from ganfit_nb.results.result import Result
from ganfit_nb.results.set_result import SetResult

__all__ = ["Recipe", "Result", "SetResult", "contact_sheet", "to_pil"]
