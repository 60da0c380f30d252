"""`ganfit evaluate lfw …` measures whether renderings keep the identity of photos (Appendix A, Fig. 6 and 7)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ganfit_nb.commands import batch
from ganfit_nb.commands.fit import add_recipe_arguments, recipe_of
from ganfit_nb.errors import GanfitError

if TYPE_CHECKING:
    from ganfit_nb.batches.batch import Task
    from ganfit_nb.evaluation.judgements import Embeddings
    from ganfit_nb.evaluation.lfw import Pair
    from ganfit_nb.evaluation.lfw_report import LfwReport, PairSimilarities

DESCRIPTION = """Fits the photos of LFW that pairs.txt names and writes DIR/lfw.json, figure_6.png and figure_7.png.
Similarities are those of the recogniser named by --judge. The paper fits with ArcFace and judges by VGG-Face. Our
default judge is a network that no fit optimises. A judge that is also the fit's --identity is not independent."""


FIGURES = ("figure_6.png", "figure_7.png")


def add_parser(experiments: Any) -> None:
    """Adds the experiment to the subparsers of `ganfit evaluate`."""
    command = experiments.add_parser("lfw", help="identity preservation, Fig. 6 and 7", description=DESCRIPTION)
    command.add_argument("root", type=Path, metavar="ROOT", help="folder with Name/Name_0001.jpg and pairs.txt")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for fits and results")
    command.add_argument("--pairs", type=Path, metavar="FILE", help="list of pairs (default: ROOT/pairs.txt)")
    command.add_argument("--per-fold", type=int, metavar="N", help="only the first N pairs of either kind a fold")
    command.add_argument(
        "--judge",
        default="face-reidentification",
        help="recogniser that judges: %(default)s (the default), which no fit uses, or one of those for --identity",
    )
    add_recipe_arguments(command)
    batch.add_arguments(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fits the photos that have no result yet, judges those that are not judged yet, and reports."""
    from ganfit_nb.batches.batch import tasks_of
    from ganfit_nb.evaluation.lfw import first_of_each_fold, picture_path, pictures_of, read_pairs
    from ganfit_nb.evaluation.plots import figure
    from ganfit_nb.files.outputs import claim_file, has_keys, is_signed

    figure(1.0, 1.0)  # fails at once when matplotlib is missing, before fitting for a day
    claim_file(options.out / "lfw.json", has_keys("data", "judge", "pairs"))
    for name in FIGURES:
        claim_file(options.out / name, is_signed)
    file = options.pairs or options.root / "pairs.txt"
    if not file.exists():
        raise GanfitError(f"There is no {file}; name the folder of LFW that holds it, or use --pairs FILE.")
    pairs = read_pairs(file)
    if options.per_fold is not None:
        pairs = first_of_each_fold(pairs, options.per_fold)
    photos = {name: picture_path(options.root, name) for name in pictures_of(pairs)}
    if not any(path.exists() for path in photos.values()):
        raise GanfitError(f"{options.root} has none of the pictures that the list of pairs names (Name/Name_0001.jpg).")
    tasks = tasks_of(photos, options.out / "fits", recipe_of(options), brief=True)
    outcomes = batch.run(tasks, options, options.out / "fits")
    fitted = {outcome.name for outcome in outcomes if outcome.status == "fitted"}
    write(judged([task for task in tasks if task.name in fitted], options), pairs, options)
    return 0


def judged(tasks: list[Task], options: argparse.Namespace) -> dict[str, Embeddings]:
    """The judge's embeddings of every fitted photo whose face it found in both pictures, by its name.

    They are in the order of the tasks, so that sums over them do not change from run to run.
    """
    from ganfit_nb.batches.workers import workers
    from ganfit_nb.evaluation.judgements import judgements

    store = options.out / f"judged-by-{Path(options.judge).stem}"
    with workers(options.jobs, options.scheduler):
        told = judgements(tasks, options.judge, store.absolute())
        embeddings = dict(tqdm(told, desc="judging", total=len(tasks), unit="photo"))
    return {task.name: found for task in tasks if (found := embeddings[task.name])}


def write(embeddings: dict[str, Embeddings], pairs: list[Pair], options: argparse.Namespace) -> None:
    """Writes lfw.json and both figures, and prints a summary."""
    from ganfit_nb.evaluation.lfw_plots import figure_6, figure_7
    from ganfit_nb.evaluation.lfw_report import report
    from ganfit_nb.evaluation.plots import save_figure
    from ganfit_nb.files.outputs import write_json
    from ganfit_nb.standins.stand_in import data_label

    found = report(embeddings, pairs, options.judge, data_label(options.root, "LFW"))
    write_json(options.out / "lfw.json", found.record() | {"fitted_with": options.identity, "steps": options.steps})
    for name, drawn in zip(FIGURES, (figure_6(found), figure_7(found)), strict=True):
        save_figure(drawn, options.out / name, 150)
    print(summary(found, options))


def summary(found: LfwReport, options: argparse.Namespace) -> str:
    """The results in words, for the end of the command."""
    similarity = found.rendering_to_photo
    lines = [
        f"{found.data}, fitted with {options.identity}, judged by {found.judge}: cosine similarity",
        f"rendering to photo   mean {similarity.mean():.3f}, standard deviation {similarity.std():.3f}, "
        f"{len(similarity)} pictures",
        _line("renderings", found.renderings),
        _line("photos", found.photos),
    ]
    if found.judge == options.identity:
        lines.append("The judge is the network that the fits were optimised for, so its verdict is not independent.")
    if found.missing:
        lines.append(
            f"{found.missing} pairs are left out, since a photo could not be fitted or its rendering shows no face."
        )
    return "\n".join(lines)


def _line(name: str, pairs: PairSimilarities) -> str:
    told, same, other = pairs.verification, pairs.similarity[pairs.same], pairs.similarity[~pairs.same]
    return (
        f"pairs of {name:11s} same {same.mean():.3f}, different {other.mean():.3f}, overlap {told.overlap:.3f}, "
        f"accuracy {100 * told.accuracy:.1f} ± {100 * told.standard_error:.1f} %"
    )
