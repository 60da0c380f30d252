"""Videos as a source of photos."""

import numpy as np
import pytest
from PIL import Image

from ganfit_nb import GanfitError
from ganfit_nb.assets import asset_path
from ganfit_nb.evaluation.micc_standin import write_video
from ganfit_nb.video import count_frames, is_video, photos_of_video, read_frames


@pytest.fixture(scope="module")
def portrait():
    return np.array(Image.open(asset_path("astronaut.png")).convert("RGB").resize((256, 256)))


def grey(level):
    return np.full((256, 256, 3), level, np.uint8)


@pytest.mark.parametrize("name", ["clip.mjpg", "clip.mpg"])
def test_frames_come_in_order(tmp_path, name):
    write_video(tmp_path / name, [grey(20 * k) for k in range(12)], 3)
    assert is_video(tmp_path / name)
    assert count_frames(tmp_path / name) == 12
    frames = read_frames(tmp_path / name, {2, 7})
    assert {k: round(float(f.float().mean()) / 20) for k, f in frames.items()} == {2: 2, 7: 7}


def test_photos_are_spread_uniformly_and_pass_over_frames_without_a_face(tmp_path, portrait):
    frames = [portrait] * 10 + [grey(90), grey(90), portrait, portrait, portrait] + [grey(90)] * 5
    write_video(tmp_path / "clip.mjpg", frames, 3)
    photos = photos_of_video(tmp_path / "clip.mjpg", frames=4)
    assert [photo.source for photo in photos] == ["clip_00002", "clip_00007", "clip_00012"]


def test_what_is_no_video_is_explained(tmp_path):
    for name, content in {"text.mp4": b"not a video", "empty.mpg": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(GanfitError, match="video"):
            photos_of_video(tmp_path / name)
    with pytest.raises(GanfitError, match="no file"):
        photos_of_video(tmp_path / "absent.mp4")
    write_video(tmp_path / "wall.mjpg", [grey(128)] * 6, 3)
    with pytest.raises(GanfitError, match="No face"):
        photos_of_video(tmp_path / "wall.mjpg")


def test_a_cut_off_video_gives_what_is_left_of_it(tmp_path, portrait):
    write_video(tmp_path / "clip.mjpg", [portrait] * 8, 3)
    whole = (tmp_path / "clip.mjpg").read_bytes()
    (tmp_path / "clip.mjpg").write_bytes(whole[: len(whole) * 5 // 8])
    assert 4 <= count_frames(tmp_path / "clip.mjpg") <= 5
    assert photos_of_video(tmp_path / "clip.mjpg", frames=2)
