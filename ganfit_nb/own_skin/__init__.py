"""The photo's own skin: unwrapped into the UV map, without its light, completed."""

from ganfit_nb.own_skin.skin import OwnSkin, own_skin

__all__ = ["OwnSkin", "own_skin"]
