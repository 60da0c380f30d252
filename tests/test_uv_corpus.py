"""The corpus maker: same seed same map, people of every tone, faces that mirror, paint where it belongs."""

import numpy as np
import pytest
import torch

from ganfit_nb.errors import GanfitError
from ganfit_nb.geometry.islands import islands
from ganfit_nb.training.skin.canvas import Person
from ganfit_nb.training.skin.paint_eyes import IRIS_RADIUS
from ganfit_nb.training.skin.painting import blur, draw_strokes, signed_distance, spline
from ganfit_nb.training.skin.skin_tone import MAX_MELANIN, SkinTone, density, display, linear_to_srgb, srgb_to_linear
from ganfit_nb.training.skin.uv_corpus import UvCorpus, write_corpus
from ganfit_nb.training.skin.uv_layout import MIRROR_68
from ganfit_nb.training.skin.uv_resample import skin_coordinates, skin_files, without_light

SIZE = 128


@pytest.fixture(scope="module")
def corpus() -> UvCorpus:
    return UvCorpus.build(SIZE)


@pytest.fixture(scope="module")
def maps(corpus: UvCorpus) -> np.ndarray:
    return np.stack([corpus[k] for k in range(24)])


def cheek(corpus: UvCorpus) -> tuple[int, int]:
    """Row and column of a texel on the cheek."""
    layout = corpus.face.layout
    column, row = (corpus.face.point(45, 54, 35) / layout.scale + [0.5, 0.0]) * layout.size
    return int(row), int(column)


def test_a_map_depends_on_seed_and_index_alone(corpus: UvCorpus, maps: np.ndarray) -> None:
    again = UvCorpus(corpus.face, corpus.bases, corpus.darkness, corpus.seed)
    assert np.array_equal(again[7], maps[7])
    assert not np.array_equal(UvCorpus(corpus.face, corpus.bases, corpus.darkness, 1)[7], maps[7])
    assert len({m.tobytes() for m in maps}) == len(maps)


def test_maps_are_bytes_without_gaps(maps: np.ndarray) -> None:
    assert maps.shape == (24, SIZE, SIZE, 3)
    assert maps.dtype == np.uint8
    brightest, darkest = maps.max(axis=-1), maps.min(axis=-1)
    assert brightest.min() > 0  # nothing is so black as what was never painted
    assert darkest.max() < 250  # nor as white as what has no pigment
    changing = (maps != maps[0]).any(axis=(0, 3))
    assert changing.mean() > 0.999  # only a pupil looks the same in everybody


def test_people_cover_the_range_of_skin_tones(corpus: UvCorpus) -> None:
    shades = [display(corpus.person(k).tone.density).mean() for k in range(300)]
    assert min(shades) < 0.25
    assert max(shades) > 0.7
    assert np.histogram(shades, bins=8, range=(0.2, 0.8))[0].min() > 5


def test_the_painted_cheek_has_the_drawn_tone(corpus: UvCorpus, maps: np.ndarray) -> None:
    row, column = cheek(corpus)
    drawn = [corpus.person(k).tone.density.mean() for k in range(24)]
    shown = [density(m[row - 2 : row + 3, column - 2 : column + 3] / 255.0).mean() for m in maps]
    assert np.corrcoef(drawn, shown)[0, 1] > 0.97


def test_left_and_right_agree_up_to_slight_asymmetry(maps: np.ndarray) -> None:
    """Each half resembles its own mirror image far more than it resembles another person's half."""
    smooth = np.stack([blur(m / 255.0, SIZE / 64) for m in maps])
    mirrored = smooth[:, :, ::-1]
    own = np.abs(smooth - mirrored).mean()
    other = np.abs(smooth - np.roll(mirrored, 1, axis=0)).mean()
    assert own < 0.2 * other


def test_pupils_look_ahead(corpus: UvCorpus, maps: np.ndarray) -> None:
    layout = corpus.face.layout
    for centre, mask in layout.eyes:
        offset = layout.position - centre
        radius = np.hypot(offset[..., 0], offset[..., 1])
        front = mask & (offset[..., 2] > 0)
        pupil, white = front & (radius < 1.2), front & (radius > IRIS_RADIUS + 1) & (radius < IRIS_RADIUS + 2.5)
        assert pupil.any()
        assert (maps[:, pupil].mean(axis=(1, 2)) < 0.5 * maps[:, white].mean(axis=(1, 2))).all()


def test_layout_is_symmetric_and_measures_millimetres(corpus: UvCorpus) -> None:
    layout = corpus.face.layout
    assert np.allclose(layout.landmarks[:, 0], -layout.landmarks[MIRROR_68, 0], atol=1e-4)
    assert (MIRROR_68[MIRROR_68] == np.arange(68)).all()
    apart = layout.landmarks[45, 0] - layout.landmarks[36, 0]
    assert 75.0 < apart < 115.0  # outer corners of the eyes
    inside = layout.covered & layout.covered[:, ::-1]
    distance = np.abs(layout.position[inside] * [-1, 1, 1] - layout.position[:, ::-1][inside]).max(axis=1)
    assert np.quantile(distance, 0.98) < 2.5


def test_islands_are_the_connected_pieces() -> None:
    faces = np.array([[4, 3, 2], [0, 1, 5], [4, 6, 2], [7, 8, 1]])
    assert islands(faces, 9).tolist() == [0, 0, 2, 2, 2, 0, 2, 0, 0]


def test_densities_invert_and_pigments_multiply_light() -> None:
    colours = np.linspace(0.01, 1.0, 60, dtype=np.float32).reshape(-1, 3)
    assert np.allclose(display(density(colours)), colours, atol=1e-5)
    assert np.allclose(linear_to_srgb(srgb_to_linear(colours)), colours, atol=1e-6)
    one, two, none = (np.exp(-SkinTone(m, 0.0, 0.0).density) for m in (1.0, 2.0, 0.0))
    assert np.allclose(one**2, two * none, rtol=1e-5)


def test_a_stroke_covers_its_area() -> None:
    alpha = np.zeros((64, 64))
    line = np.array([[[-10.0, 2.0], [10.0, 2.0]]])
    draw_strokes(alpha, np.array([-16.0, -16.0]), np.array([0.5, 0.5]), line, np.array([2.0]), np.array([0.5]))
    tapered = 20.0 * 2.0 * (1 + 0.3) / 2  # mm²: a stroke ends at 0.3 of its width
    assert alpha.sum() * 0.25 == pytest.approx(0.5 * tapered, rel=0.12)
    assert np.abs(np.nonzero(alpha)[0] * 0.5 + 0.25 - 16.0 - 2.0).max() < 1.5


def test_signed_distance_of_a_circle() -> None:
    chart = np.stack(np.meshgrid(np.linspace(-10, 10, 41), np.linspace(-10, 10, 41)), axis=-1).astype(np.float32)
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    outline = spline(6.0 * np.stack([np.cos(turn), np.sin(turn)], axis=1), 120, closed=True)
    assert np.allclose(signed_distance(chart, outline), np.hypot(*chart.transpose(2, 0, 1)) - 6.0, atol=0.05)


def test_baked_light_is_taken_out(corpus: UvCorpus) -> None:
    """A side light over even skin vanishes, fine grain stays."""
    face = corpus.face
    grain = 0.05 * np.random.default_rng(0).standard_normal((SIZE, SIZE, 1)).astype(np.float32)
    lit = 1.0 + 0.004 * face.x[..., None] + grain + np.zeros(3, np.float32)
    flat, tone = without_light(lit.astype(np.float32), face)
    front = (np.abs(face.x) < 45) & (face.y > face.point(45)[1]) & (face.y < face.point(8)[1]) & (face.skin > 0)
    slope = np.polyfit(face.x[front], flat[front].mean(axis=1), 1)[0]
    assert np.allclose(tone, 1.0, atol=0.05)
    assert abs(slope) < 0.0004
    assert flat[front].std() > 0.03


def test_skin_coordinates_lie_on_the_skin(corpus: UvCorpus) -> None:
    uv = skin_coordinates()
    assert uv.shape == (int(corpus.face.layout.faces.max()) + 1, 2)
    assert uv.min() >= 0.0
    assert uv.max() <= 1.0


def test_age_and_masculinity_are_drawn_within_bounds() -> None:
    people = [Person.draw(np.random.default_rng(k)) for k in range(200)]
    assert all(0 <= p.age <= 1 and 0 <= p.masculinity <= 1 and 0 <= p.tone.melanin <= MAX_MELANIN for p in people)
    dark = [p.hair.mean() for p in people if p.tone.darkness > 0.6 and p.age < 0.3]
    assert np.median(dark) < 0.06


def test_corpus_is_written_and_read_back(corpus: UvCorpus, tmp_path) -> None:
    path = write_corpus(corpus, 3, tmp_path / "corpus", first=2)
    stored = np.load(path, mmap_mode="r")
    assert np.array_equal(stored[1], corpus[3])
    assert (tmp_path / "corpus" / "sheet.png").is_file()


def test_bad_requests_say_what_to_do(corpus: UvCorpus, tmp_path) -> None:
    with pytest.raises(GanfitError, match="at least one"):
        write_corpus(corpus, 0, tmp_path)
    with pytest.raises(GanfitError, match="MakeHuman"):
        skin_files(tmp_path)


def test_torch_generator_is_left_alone(corpus: UvCorpus) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    corpus[0]
    assert torch.equal(before, torch.get_rng_state())
