"""Videos as a source of photos."""

import os
import struct
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from ganfit_nb import GanfitError
from ganfit_nb.assets import asset_path
from ganfit_nb.photos.tone_mapping import BT2020_TO_BT709, hlg_light, pq_light, sdr
from ganfit_nb.photos.video import count_frames, is_video, photos_of_video, read_frames
from ganfit_nb.standins.micc import write_video


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


def write_mp4(path, picture, frames=3):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p"
        stream.codec_context.qmin = stream.codec_context.qmax = 2
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


MATRICES = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}  # of a camera turned so far clockwise


@pytest.mark.parametrize("degrees", MATRICES)
def test_a_video_that_was_filmed_turned_is_upright(tmp_path, degrees):
    """The track header of an MP4 says by a matrix how the pictures are to be turned."""
    upright = np.full((160, 256, 3), 60, np.uint8)
    upright[:40, :64] = (230, 40, 40)  # the upper left corner is red
    write_mp4(tmp_path / "clip.mp4", np.ascontiguousarray(np.rot90(upright, degrees // 90)))
    data = (tmp_path / "clip.mp4").read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (int(value * 65536) for value in MATRICES[degrees])
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "clip.mp4").write_bytes(data[:at] + matrix + data[at + len(matrix) :])
    frame = read_frames(tmp_path / "clip.mp4", {1})[1].numpy().astype(int)
    assert frame.shape == upright.shape
    assert np.abs(frame - upright).mean() < 6


def pq(light):
    power = (np.asarray(light, float) / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def test_light_of_hdr_signals_is_that_of_the_standards():
    np.testing.assert_allclose(pq_light(pq([0.1, 1.0, 203.0, 4000.0])), [0.1, 1.0, 203.0, 4000.0], rtol=1e-6)
    grey = np.full((1, 3), 0.75)  # BT.2408: HLG's reference white, 203 cd/m² on a display of 1000
    assert hlg_light(grey)[0, 0] == pytest.approx(203, rel=0.01)
    assert hlg_light(np.ones((1, 3)))[0, 0] == pytest.approx(1000, rel=0.01)


def test_tones_below_white_stay_and_highlights_keep_their_order_and_hue():
    dark = np.array([[[20.3, 20.3, 20.3]]])  # a tenth of white
    expected = 255 * (1.055 * 0.1 ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(sdr(pq(dark), "pq"), expected, atol=1.5)
    lights = np.array([[[x, x, x] for x in (100, 203, 400, 700, 1000)]], float)
    levels = sdr(pq(lights), "pq")[0, :, 0].astype(int)
    assert (np.diff(levels) > 0).all()
    assert levels[-1] == 255
    red = sdr(pq(np.array([[[900.0, 300.0, 300.0]]])), "pq")[0, 0].astype(int)
    assert red[0] > red[1] + 40


def test_an_hdr_video_looks_like_the_same_scene_in_sdr(tmp_path, portrait):
    """A portrait at a white of 203 cd/m², in PQ with the colours of BT.2020, as phones write it."""
    linear = np.where(portrait / 255 <= 0.04045, portrait / 255 / 12.92, ((portrait / 255 + 0.055) / 1.055) ** 2.4)
    wide = linear @ np.linalg.inv(BT2020_TO_BT709).T.astype(float)
    signal = (65535 * pq(203 * wide.clip(0)) + 0.5).astype(np.uint16)
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 256, 256, "yuv444p10le"
        stream.codec_context.color_trc, stream.codec_context.color_primaries = 16, 9
        stream.codec_context.colorspace = 9
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(signal, format="rgb48le")
            frame.colorspace = 9
            container.mux(stream.encode(frame.reformat(format="yuv444p10le", dst_colorspace=9)))
        container.mux(stream.encode())
    read = read_frames(tmp_path / "clip.mkv", {1})[1].numpy().astype(int)
    below_the_shoulder = portrait.max(axis=2) < 215
    difference = np.abs(read - portrait)[below_the_shoulder]
    assert difference.mean() < 6
    assert np.abs(portrait.astype(int) - sdr(signal / 65535, "pq"))[below_the_shoulder].mean() < 3


@pytest.mark.parametrize(
    "playlist",
    ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"],
    ids=["ffconcat", "HLS"],
)
def test_a_playlist_that_is_called_a_video_opens_no_other_file(tmp_path, playlist):
    write_video(tmp_path / "secret.mpg", [grey(128)] * 3, 3)
    (tmp_path / "clip.mp4").write_text(playlist.format("secret.mpg"))
    with pytest.raises(GanfitError, match="not a video that can be read"):
        count_frames(tmp_path / "clip.mp4")


def test_a_video_of_an_unknown_codec_is_one_sentence(tmp_path):
    write_mp4(tmp_path / "clip.avi", grey(128))
    data = (tmp_path / "clip.avi").read_bytes()
    (tmp_path / "clip.avi").write_bytes(data.replace(b"FMP4", b"WHAT"))
    with pytest.raises(GanfitError, match="not a video that can be read"):
        count_frames(tmp_path / "clip.avi")


@pytest.mark.skipif(sys.platform == "win32", reason="names of POSIX")
def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch):
    write_video(tmp_path / "concat:clip.mpg", [grey(128)] * 3, 3)
    monkeypatch.chdir(tmp_path)
    assert count_frames(Path("concat:clip.mpg")) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_pipe_is_no_video(tmp_path):
    os.mkfifo(tmp_path / "clip.mp4")
    with pytest.raises(GanfitError, match="a pipe or a device"):
        count_frames(tmp_path / "clip.mp4")
