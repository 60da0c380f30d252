"""What makes the shipped models: the 3DMM, the UV corpus and the texture priors. Not needed to fit."""

from ganfit_nb.training.skin.uv_corpus import UvCorpus

__all__ = ["UvCorpus"]
