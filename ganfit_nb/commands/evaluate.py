"""`ganfit evaluate …` runs the paper's experiments."""

from __future__ import annotations

from typing import Any

from ganfit_nb.commands import evaluate_ablation, evaluate_lfw, evaluate_micc, evaluate_scan


def add_parser(commands: Any) -> None:
    """Adds the command to `ganfit`'s subparsers."""
    evaluate = commands.add_parser("evaluate", help="run the paper's experiments")
    experiments = evaluate.add_subparsers(required=True, metavar="EXPERIMENT")
    for experiment in (evaluate_ablation, evaluate_lfw, evaluate_micc, evaluate_scan):
        experiment.add_parser(experiments)
