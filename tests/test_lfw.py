import json
from argparse import Namespace

import numpy as np
import pytest

from ganfit_nb import GanfitError
from ganfit_nb.batches.batch import Task
from ganfit_nb.commands.cli import main
from ganfit_nb.commands.evaluate_lfw import judged
from ganfit_nb.evaluation import judgements, lfw_report
from ganfit_nb.evaluation.judgements import Embeddings, _embeddings
from ganfit_nb.evaluation.known_people import KnownPeople
from ganfit_nb.evaluation.lfw import Pair, first_of_each_fold, pictures_of, read_pairs, write_pairs
from ganfit_nb.evaluation.lfw_report import report
from ganfit_nb.face.morphable import MorphableModel
from ganfit_nb.results.export import to_pil
from ganfit_nb.results.recipe import Recipe
from ganfit_nb.standins.lfw import SIDE, choose_pairs, write_lfw_standin
from ganfit_nb.standins.lfw_photographer import FIELD, random_shot

OFFICIAL = """2\t1
Abel_Pacheco\t1\t4
Abdel_Madi_Shabneh\t1\tDean_Barker\t12
Akhmed_Zakayev\t1\t3
Abdel_Madi_Shabneh\t1\tGiancarlo_Fisichella\t1
"""
PAIRS = [
    Pair(0, "Abel_Pacheco/Abel_Pacheco_0001", "Abel_Pacheco/Abel_Pacheco_0004", True),
    Pair(0, "Abdel_Madi_Shabneh/Abdel_Madi_Shabneh_0001", "Dean_Barker/Dean_Barker_0012", False),
    Pair(1, "Akhmed_Zakayev/Akhmed_Zakayev_0001", "Akhmed_Zakayev/Akhmed_Zakayev_0003", True),
    Pair(1, "Abdel_Madi_Shabneh/Abdel_Madi_Shabneh_0001", "Giancarlo_Fisichella/Giancarlo_Fisichella_0001", False),
]


def test_pairs_are_read_and_written_in_the_official_form(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text(OFFICIAL)
    assert read_pairs(path) == PAIRS
    write_pairs(path, PAIRS)
    assert path.read_text() == OFFICIAL
    assert len(pictures_of(PAIRS)) == 7  # one of the eight is named twice


@pytest.mark.parametrize("text", ["", "hello", "2\t1\nA\t1\t2\n", "1\t1\nA\t1\t2\nA\tB\n"])
def test_other_files_are_no_pairs(tmp_path, text):
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(GanfitError, match="no list of pairs"):
        read_pairs(tmp_path / "pairs.txt")


def test_the_stand_ins_pairs_keep_people_to_their_fold():
    names = [f"Person_{k:03d}" for k in range(9)]
    pairs = choose_pairs(names, pictures=3, folds=3)
    people = [
        {name.split("/")[0] for p in pairs if p.fold == fold for name in (p.first, p.second)} for fold in range(3)
    ]
    assert all(people[i].isdisjoint(people[j]) for i in range(3) for j in range(i))
    assert all((p.first.split("/")[0] == p.second.split("/")[0]) == p.same for p in pairs)
    assert len({(p.first, p.second) for p in pairs}) == len(pairs)
    kinds = [sum(p.same == same and p.fold == fold for p in pairs) for fold in range(3) for same in (True, False)]
    assert kinds == [9] * 6
    assert len(first_of_each_fold(pairs, 2)) == 12


def test_a_report_leaves_out_what_was_not_fitted_and_says_so():
    rng = np.random.default_rng(0)
    people = [vector / np.linalg.norm(vector) for vector in rng.normal(size=(6, 8))]
    names = [f"Person_{k:03d}" for k in range(6)]
    pairs = choose_pairs(names, pictures=2, folds=3)
    embeddings = {name: Embeddings(*[people[int(name[7:10])]] * 2) for name in pictures_of(pairs)}
    found = report(embeddings, pairs, "nobody", "test")
    assert found.renderings.verification.accuracy == 1
    assert found.renderings.verification.overlap == 0
    assert np.allclose(found.rendering_to_photo, 1)
    assert found.missing == 0
    gone = pairs[0].first
    fewer = report({name: e for name, e in embeddings.items() if name != gone}, pairs, "nobody", "test")
    assert fewer.missing == sum(gone in (pair.first, pair.second) for pair in pairs) > 0


def test_a_photo_whose_rendering_shows_no_face_is_left_out(tmp_path, monkeypatch):
    stored = {"judge": "", "photo": [1.0, 0.0], "rendering": [0.6, 0.8]}
    found = {"a/a": _embeddings(stored), "b/b": _embeddings(stored | {"rendering": None})}
    assert found["a/a"].similarity == pytest.approx(0.6)
    monkeypatch.setattr(judgements, "judgements", lambda *_: iter(found.items()))
    tasks = [Task(name, tmp_path / "a.jpg", tmp_path, Recipe()) for name in found]
    options = Namespace(out=tmp_path, judge="dlib", jobs=1, scheduler=None)
    assert judged(tasks, options) == {"a/a": found["a/a"]}


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    """Four known people: quicker than Mitsuba, and all the layout wants."""
    known = KnownPeople(MorphableModel.default())

    def photograph(person, pictures):
        for shot in range(pictures):
            yield np.asarray(to_pil(known.photograph(known[person], 10 * person + shot, SIDE)))

    root = tmp_path_factory.mktemp("data") / "lfw"
    write_lfw_standin(root, 4, 2, 2, photograph)
    return root


def test_the_stand_ins_shots_are_framed_like_lfw_and_never_covered():
    shots = [random_shot(np.random.default_rng(seed)) for seed in (0, *range(40))]
    assert shots[0] == shots[1]
    assert len({shot.yaw for shot in shots}) == 40
    assert all(FIELD[0] <= shot.field <= FIELD[1] and shot.pole is None for shot in shots)
    assert {shot.distance < 1200 for shot in shots} == {shot.distance > 5000 for shot in shots} == {True, False}


def similarities(embeddings, pairs, what, same):
    """Of the pairs of one person or of two, both of whose photos were fitted."""
    judged = [pair for pair in pairs if pair.same == same and {pair.first, pair.second} <= embeddings.keys()]
    return np.array([getattr(embeddings[p.first], what) @ getattr(embeddings[p.second], what) for p in judged])


def test_the_stand_in_is_evaluated_resumably(stand_in, tmp_path, capsys, monkeypatch):
    judged = {}

    def recorded(embeddings, *rest):
        judged.update(embeddings)
        return report(embeddings, *rest)

    monkeypatch.setattr(lfw_report, "report", recorded)
    first = next(iter(pictures_of(read_pairs(stand_in / "pairs.txt"))))
    (stand_in / f"{first}.jpg").write_bytes(b"lost")
    command = ["evaluate", "lfw", str(stand_in), "--out", str(tmp_path), "--steps", "1", "--jobs", "1"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert f"{first}: " in told.err
    assert told.out.startswith("stand-in for LFW")
    assert "judged by face-reidentification" in told.out
    assert "not independent" not in told.out
    assert "2 pairs are left out" in told.out
    record = json.loads((tmp_path / "lfw.json").read_text())
    assert record["pictures"] == 7
    assert record["pairs_missing"] > 0
    assert 0.5 < record["rendering_to_photo"]["mean"] < 1
    for what in ("rendering", "photo"):
        same, different = (similarities(judged, read_pairs(stand_in / "pairs.txt"), what, one) for one in (True, False))
        told = record[f"{what}s"]
        assert (told["same"], told["different"]) == pytest.approx((same.mean(), different.mean()))
        overlap = min((same <= t).mean() + (different > t).mean() for t in (*same, *different))
        assert told["overlap"] == pytest.approx(min(1.0, overlap))
    assert all((tmp_path / f"figure_{number}.png").stat().st_size > 10_000 for number in (6, 7))
    done = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*_000?*") if file.is_file()}
    assert main(command) == 0
    assert {file: file.stat().st_mtime_ns for file in done} == done
    assert json.loads((tmp_path / "lfw.json").read_text()) == record


def test_a_stand_in_overwrites_nothing_and_is_whole_or_absent(stand_in):
    def broken(person, pictures):
        raise GanfitError("no film")

    for root, people, message in (
        (stand_in, 4, "is not empty"),
        (stand_in.parent / "new", 3, "two people in each"),
        (stand_in.parent / "new", 4, "no film"),
    ):
        with pytest.raises(GanfitError, match=message):
            write_lfw_standin(root, people, 2, 2, broken)
    assert [path.name for path in stand_in.parent.iterdir()] == ["lfw"]


def test_a_folder_that_is_no_lfw_is_one_sentence(tmp_path, capsys):
    assert main(["evaluate", "lfw", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "pairs.txt" in capsys.readouterr().err
    (tmp_path / "pairs.txt").write_text(OFFICIAL)
    assert main(["evaluate", "lfw", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "none of the pictures" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
