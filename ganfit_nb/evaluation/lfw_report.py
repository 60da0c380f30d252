"""Fig. 6 and 7 and the numbers below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from ganfit_nb.errors import GanfitError
from ganfit_nb.evaluation.judgements import Embeddings
from ganfit_nb.evaluation.lfw import Pair
from ganfit_nb.evaluation.verification import Verification, verify


@dataclass(frozen=True)
class PairSimilarities:
    """Cosine similarities of pairs, which of them show one person, and how well a threshold tells."""

    similarity: Float[Array, " N"]
    same: Bool[Array, " N"]
    verification: Verification

    def record(self) -> dict[str, float]:
        """The numbers as JSON."""
        means = {"same": self.similarity[self.same].mean(), "different": self.similarity[~self.same].mean()}
        return {name: float(value) for name, value in means.items()} | asdict(self.verification)


@dataclass(frozen=True)
class LfwReport:
    """What the experiment of Appendix A found.

    rendering_to_photo  cosine similarity of every photo to its rendering (Fig. 6)
    renderings, photos  of the pairs: what Fig. 7 shows, and what the same recogniser makes of the photos themselves
    judge, data         the recogniser, and what the pictures are
    missing             pairs left out because a photo could not be fitted, or no face was found in its rendering
    """

    rendering_to_photo: Float[Array, " N"]
    renderings: PairSimilarities
    photos: PairSimilarities
    judge: str
    data: str
    missing: int

    def record(self) -> dict[str, Any]:
        """The numbers as JSON."""
        similarity = self.rendering_to_photo
        return {
            "data": self.data,
            "judge": self.judge,
            "pictures": len(similarity),
            "pairs": len(self.renderings.same),
            "pairs_missing": self.missing,
            "rendering_to_photo": {"mean": float(similarity.mean()), "std": float(similarity.std())},
            "renderings": self.renderings.record(),
            "photos": self.photos.record(),
        }


def report(embeddings: Mapping[str, Embeddings], pairs: Sequence[Pair], judge: str, data: str) -> LfwReport:
    """The report on all pairs both of whose pictures have embeddings; the others are counted as missing."""
    judged = [pair for pair in pairs if pair.first in embeddings and pair.second in embeddings]
    if not judged:
        raise GanfitError("No pair could be judged: none has two fitted photos.")
    return LfwReport(
        rendering_to_photo=np.array([e.similarity for e in embeddings.values()]),
        renderings=_similarities(judged, {name: e.rendering for name, e in embeddings.items()}),
        photos=_similarities(judged, {name: e.photo for name, e in embeddings.items()}),
        judge=judge,
        data=data,
        missing=len(pairs) - len(judged),
    )


def _similarities(pairs: Sequence[Pair], vectors: Mapping[str, Float[Array, " D"]]) -> PairSimilarities:
    similarity = np.array([vectors[pair.first] @ vectors[pair.second] for pair in pairs], dtype=float)
    same, fold = np.array([pair.same for pair in pairs]), np.array([pair.fold for pair in pairs])
    return PairSimilarities(similarity, same, verify(similarity, same, fold))
