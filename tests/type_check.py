"""The type checker of the widgets' tests: an int passes for a float, as with mypy."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
