"""`ganfit train …` rebuilds the shipped texture models."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    """Adds the command to `ganfit`'s subparsers."""
    from ganfit_nb.training.skin import pca_texture, uv_corpus
    from ganfit_nb.training.texture_gan import train_texture

    train = commands.add_parser("train", help="rebuild the texture models from UV maps")
    targets = train.add_subparsers(required=True, metavar="WHAT")
    for name, module, summary in (
        ("corpus", uv_corpus, "paint UV maps of people who do not exist"),
        ("texture", train_texture, "the texture GAN of a corpus (Eq. 5)"),
        ("pca", pca_texture, "the linear texture model of a corpus (Eq. 1)"),
    ):
        command = targets.add_parser(name, help=summary, description=module.__doc__)
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(command)
        command.set_defaults(run=module.main)
