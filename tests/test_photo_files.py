from pathlib import Path

import pytest

from ganfit_nb import GanfitError
from ganfit_nb.photos.photo_files import named_photos


@pytest.fixture
def folder(tmp_path):
    def fill(*names):
        for name in names:
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "photos"

    return fill


def test_results_mirror_the_folder(folder):
    root = folder("b.JPG", "a.png", "trip/a.png", "trip/day 2/ä.webp", "notes.txt")
    assert named_photos([root]) == {
        "a": root / "a.png",
        "b": root / "b.JPG",
        "trip/a": root / "trip/a.png",
        "trip/day 2/ä": root / "trip/day 2/ä.webp",
    }


def test_hidden_files_and_earlier_results_are_no_photos(folder):
    root = folder("a.png", ".b.png", ".thumbnails/a.png", "out/a/fit.json", "out/a/texture.png", "out/a/overlay.png")
    assert list(named_photos([root])) == ["a"]


def test_no_result_lands_on_or_inside_another(folder):
    names = named_photos([folder("a.jpg", "a.png", "B.jpg", "b.png", "trip.jpg", "trip/c.jpg")])
    assert list(names) == ["B.jpg", "a.jpg", "a.png", "b.png", "trip.jpg", "trip/c"]
    assert all(not Path(other).is_relative_to(name) for name in names for other in names if other != name)


def test_two_folders_with_one_photo_each_of_a_name_are_one_sentence(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").touch()
    with pytest.raises(GanfitError, match=r"would both be written to a/"):
        named_photos([tmp_path / "x", tmp_path / "y"])


def test_a_folder_without_photos_is_one_sentence(folder):
    with pytest.raises(GanfitError, match="There is no photo in"):
        named_photos([folder("notes.txt")])
