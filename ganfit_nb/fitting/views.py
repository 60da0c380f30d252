"""Who is in which photo: a fit is over people, each with one shape and texture, and views, which have all the rest.

The numbers of a fit are one `FaceParameters` with a leading dimension: a row a person in p_s and p_t, a row a view in
p_e, p_c and p_l. A single photo is one person with one view, an image set (Eq. 13) one person with several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganfit_nb.parameters import FaceParameters

SHARED = ("identity", "texture")  # what belongs to a person


@dataclass(frozen=True)
class Views:
    """The person (0, 1, …) that each view shows; the views of a person follow each other."""

    person: tuple[int, ...]

    @classmethod
    def of(cls, counts: Sequence[int]) -> Views:
        """For people with so many views each."""
        return cls(tuple(person for person, count in enumerate(counts) for _ in range(count)))

    @property
    def counts(self) -> list[int]:
        """How many views each person has."""
        return [self.person.count(person) for person in range(self.person[-1] + 1)]

    def per_view(self, of_people: Float[Tensor, P * n]) -> Float[Tensor, V * n]:
        """What people have, for each of their views."""
        if self.person == tuple(range(len(of_people))):
            return of_people
        return of_people.index_select(0, _tensor(self.person, of_people.device))

    def mean(self, sums: Float[Tensor, "P n"]) -> Float[Tensor, "P n"]:
        """Means over the views of each person, from the sums over them."""
        return sums / _tensor(tuple(self.counts), sums.device)[:, None]

    def together(self, records: Sequence[FaceParameters]) -> FaceParameters:
        """The records of single views as one; a person's first view tells what is shared."""
        first = [self.person.index(person) for person in range(self.person[-1] + 1)]
        rows = {name: first if name in SHARED else range(len(records)) for name, _ in records[0].items()}
        return FaceParameters(
            **{name: torch.stack([getattr(records[k], name) for k in chosen]) for name, chosen in rows.items()}
        )

    def apart(self, parameters: FaceParameters) -> list[FaceParameters]:
        """The record of each view."""
        return [
            FaceParameters(**{name: values[person if name in SHARED else view] for name, values in parameters.items()})
            for view, person in enumerate(self.person)
        ]


@lru_cache(maxsize=64)
def _tensor(numbers: tuple[int, ...], device: torch.device) -> Int[Tensor, " n"]:
    """Copied to a GPU once, because the processor has to wait for such a copy."""
    return torch.tensor(numbers, device=device)
