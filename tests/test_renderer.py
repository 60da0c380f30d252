"""The renderer against its plain-torch oracle, finite differences, a supersampled picture and worked examples."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from meshes import egg, smooth_texture, two_eggs
from tolerances import AT_A_VERTEX, CAMERA_MOVES, DOUBLE_TWINS, HEAD_MOVES, SINGLE, SMOOTH

from ganfit_nb.errors import GanfitError
from ganfit_nb.renderer import interpolate, rasterize, rasterizer_numba, rasterizer_torch, render
from ganfit_nb.renderer.antialias import edge_table
from ganfit_nb.renderer.camera import frontal_camera, orbit_camera, project
from ganfit_nb.renderer.lighting import frontal_light

D = torch.float64
BACKGROUND = torch.tensor([0.9, 0.2, 0.1], dtype=D)


# --- rasteriser ------------------------------------------------------------------------------------------------------


def tangle(count=3000):
    """Triangles of all sizes and directions, some behind the eye, some degenerate, all through each other."""
    faces = torch.arange(3 * count).view(count, 3)
    centre = torch.randn(count, 1, 3) * torch.tensor([80.0, 80.0, 500.0])
    vertices = (centre + torch.randn(count, 3, 3) * 30 * torch.rand(count, 1, 1)).view(-1, 3)
    vertices[faces[::50, 1]] = vertices[faces[::50, 0]]
    return vertices, faces


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("mesh", [lambda: egg(5)[:2], tangle], ids=["egg", "tangle"])
def test_compiled_rasterizer_equals_the_oracle(mesh, size):
    vertices, faces = mesh()
    screen = project(vertices, frontal_camera(), size)
    found = rasterizer_numba.pix_to_face(screen[None], faces, size)
    assert torch.equal(found, rasterizer_torch.pix_to_face(screen[None], faces, size))
    pixels = (found.view(-1) >= 0).nonzero().flatten()
    corners = faces[found.view(-1)[pixels]]
    screen, attributes = screen.double().requires_grad_(), torch.randn(len(vertices), 4, dtype=D, requires_grad=True)
    results = []
    for module in (rasterizer_numba, rasterizer_torch):
        bary, depth = module.barycentric(screen, corners, pixels, size)
        values = module.interpolate(attributes, corners, bary)
        sliver = bary.detach().abs().amax(1) > 10  # no triangle that holds its pixel has these
        assert not sliver.any()
        loss = (values.square().sum(1) + depth.sin()).sum()
        results.append((bary, depth, values, *torch.autograd.grad(loss, (screen, attributes))))
    for ours, oracle in zip(*results, strict=True):
        assert (ours - oracle).abs().max() <= 1e-6 * oracle.abs().max()


def test_single_precision_barycentric_coordinates():
    vertices, faces, _ = egg(5)
    screen = project(vertices, orbit_camera(0.3, 0.1), 256)
    ours = rasterize(screen, faces, 256)
    bary, depth = rasterizer_torch.barycentric(screen.double(), ours.corners, ours.pixels, 256)
    assert (ours.bary - bary).abs().max() < SINGLE
    assert (ours.depth - depth).abs().max() < 1e-3


def test_fragments_have_pytorch3d_conventions():
    screen = torch.tensor([[0.0, 0, 100], [8, 0, 100], [0, 8, 100]], requires_grad=True)
    fragments = rasterize(screen, torch.tensor([[0, 1, 2]]), 8)
    assert fragments.pix_to_face[0, 0] == 0
    assert fragments.pix_to_face[7, 7] == -1
    assert fragments.zbuf[7, 7] == -1
    assert (fragments.bary_coords[7, 7] == -1).all()
    assert torch.allclose(fragments.bary_coords[0, 2], torch.tensor([5 / 8, 2.5 / 8, 0.5 / 8]))
    assert torch.allclose(interpolate(screen, fragments)[0, 2, :2], torch.tensor([2.5, 0.5]))


def test_interpolation_is_perspective_correct():
    """Halfway on the screen between depths 100 and 300, 1/depth is their mean's: depth 150."""
    screen = torch.tensor([[0.5, 0.5, 100], [8.5, 0.5, 300], [0.5, 8.5, 100]])
    fragments = rasterize(screen, torch.tensor([[0, 1, 2]]), 9)
    assert fragments.zbuf[0, 4] == pytest.approx(150)
    assert fragments.bary_coords[0, 4, 1].item() == pytest.approx(0.25)


def test_every_pixel_of_a_tiling_belongs_to_one_face():
    """Vertices and edges exactly on pixel centres leave neither cracks nor double cover."""
    n = 5
    grid = torch.stack(torch.meshgrid(torch.arange(n), torch.arange(n), indexing="xy"), -1).view(-1, 2) * 4 + 0.5
    screen = torch.cat([grid, torch.full((n * n, 1), 10.0)], 1)
    corner = torch.arange(n * n).view(n, n)
    a, b, c, d = (t.reshape(-1) for t in (corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]))
    faces = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])
    count = torch.stack([rasterize(screen, face[None], 17).pix_to_face >= 0 for face in faces]).sum(0)
    assert (count[:16, :16] == 1).all()


def test_faces_behind_and_around_the_eye_are_left_out():
    vertices, faces, uv = egg(3)
    for shift in (1000.0, 990.0, 2000.0):
        moved = (vertices + torch.tensor([0.0, 0.0, shift])).requires_grad_()
        rendering = render(moved, faces, uv, smooth_texture(), frontal_camera(), frontal_light(), 64)
        rendering.image.sum().backward()
        assert torch.isfinite(rendering.image).all()
        assert torch.isfinite(moved.grad).all()
    assert (rendering.alpha == 0).all()


# --- texture and normals ---------------------------------------------------------------------------------------------


def test_texture_sampling_equals_grid_sample():
    textures = torch.rand(2, 20, 30, 3, dtype=D, requires_grad=True)
    uv = (torch.rand(500, 2, dtype=D) * 1.2 - 0.1).requires_grad_()
    weight, view = torch.randn(500, 3, dtype=D), torch.arange(500) % 2

    def grid_sample(textures, uv, view):
        grid, images = (2 * uv - 1)[None, None].expand(2, -1, -1, -1), textures.permute(0, 3, 1, 2)
        values = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return torch.where(view[:, None] == 0, *values[:, :, 0].mT)

    results = []
    for sample in (rasterizer_numba.sample_uv, rasterizer_torch.sample_uv, grid_sample):
        values = sample(textures, uv, view)
        results.append((values, *torch.autograd.grad(values, (textures, uv), weight)))
    for compiled, plain, oracle in zip(*results, strict=True):
        assert torch.allclose(compiled, oracle, atol=DOUBLE_TWINS)
        assert torch.allclose(plain, oracle, atol=DOUBLE_TWINS)


def test_compiled_normals_equal_plain_ones_and_point_outwards():
    vertices, faces, _ = egg(3, D)
    vertices.requires_grad_()
    weight = torch.randn_like(vertices)
    results = []
    for module in (rasterizer_numba, rasterizer_torch):
        normals = module.vertex_normals(vertices, faces)
        results.append((normals, *torch.autograd.grad(normals, vertices, weight)))
    for ours, oracle in zip(*results, strict=True):
        assert torch.allclose(ours, oracle, atol=DOUBLE_TWINS)
    outward = vertices / torch.tensor([75.0, 105, 90]) ** 2
    assert torch.cosine_similarity(normals, outward, dim=1).min() > 0.99


# --- outlines --------------------------------------------------------------------------------------------------------


def test_edge_table_of_a_square():
    table = edge_table(torch.tensor([[0, 1, 2], [0, 2, 3]]))
    edges = {(min(a, b), max(a, b)): {c, d} for a, b, c, d in table.tolist()}
    assert edges == {(0, 1): {2}, (1, 2): {0}, (0, 2): {1, 3}, (2, 3): {0}, (0, 3): {2}}


@pytest.mark.parametrize("subdivisions", [2, 5], ids=["large faces", "faces below a pixel"])
def test_coverage_is_that_of_a_supersampled_picture(subdivisions):
    vertices, faces, uv = egg(subdivisions)
    camera = orbit_camera(0.5, 0.3)
    size, factor = 96, 8
    screen = project(vertices, camera, size * factor)
    fine = (rasterize(screen, faces, size * factor).pix_to_face >= 0).float()
    truth = fine.view(size, factor, size, factor).mean((1, 3))
    alpha = render(vertices, faces, uv, smooth_texture(), camera, frontal_light(), size).alpha
    assert (alpha - truth).abs().max() < 0.15  # 1/8 is the method's own bound, 1/64 the truth's resolution
    assert alpha.sum() == pytest.approx(truth.sum().item(), rel=1e-3)


def test_colours_are_those_of_a_supersampled_picture():
    """Flat albedo, so that only outlines differ: against the background and of the small egg against the large one."""
    vertices, faces, uv = two_eggs()
    texture = torch.full((2, 2, 3), 0.7)
    camera, light, size = orbit_camera(0.3, 0.1), frontal_light(), 96
    fine = render(vertices, faces, uv, texture, camera, light, size * 8, antialias=False).image
    truth = fine.reshape(size, 8, size, 8, 3).mean((1, 3))
    errors = {}
    for antialias in (True, False):
        image = render(vertices, faces, uv, texture, camera, light, size, antialias=antialias).image
        errors[antialias] = (image - truth).square().mean().item()
    assert errors[True] < 0.05 * errors[False]


# --- gradients -------------------------------------------------------------------------------------------------------


class Scene:
    """A loss with a smooth target, as a function of everything the picture depends on."""

    def __init__(self, size=128, **options):
        self.size, self.options = size, options
        self.vertices, self.faces, self.uv = two_eggs(dtype=D)
        self.texture = smooth_texture(dtype=D)
        self.camera, self.light = orbit_camera(0.2, 0.1).to(D), frontal_light().to(D)
        y, x = torch.meshgrid(*[torch.linspace(-1, 1, size, dtype=D)] * 2, indexing="ij")
        self.target = torch.stack([0.5 + 0.3 * x, 0.4 + 0.3 * y, 0.3 + 0.2 * x * y], -1)
        self.weight = (1 + 0.5 * x + 0.5 * y)[..., None]  # so that no direction's gradient vanishes by symmetry

    def loss(self, vertices=None, texture=None, camera=None, light=None):
        rendering = render(
            self.vertices if vertices is None else vertices,
            self.faces,
            self.uv,
            self.texture if texture is None else texture,
            self.camera if camera is None else camera,
            self.light if light is None else light,
            self.size,
            background=BACKGROUND,
            **self.options,
        )
        return (self.weight * (rendering.image - self.target).square()).sum()


def gradient_and_difference(function, step):
    """d function(t) / dt at 0: by autograd, and by central differences."""
    t = torch.zeros((), dtype=D, requires_grad=True)
    (gradient,) = torch.autograd.grad(function(t), t)
    with torch.no_grad():
        ahead, behind = (function(torch.tensor(sign * step, dtype=D)) for sign in (1, -1))
    return gradient.item(), ((ahead - behind) / (2 * step)).item()


def integral_and_difference(function, steps=24):
    """function(1) - function(-1), and what the gradients on the way add up to.

    Outlines move by about a pixel, so pixels change hands. A gradient that misses this does not add up.
    """
    gradients = []
    for t in torch.linspace(-1, 1, steps + 1, dtype=D)[:-1] + 1 / steps:
        t = t.requires_grad_()
        gradients.append(torch.autograd.grad(function(t), t)[0].item())
    with torch.no_grad():
        ahead, behind = (function(torch.tensor(end, dtype=D)).item() for end in (1.0, -1.0))
    return 2 * sum(gradients) / steps, ahead - behind


@pytest.mark.parametrize("move", ["scale", "x", "y", "z"])
def test_gradient_of_moving_the_head(move):
    scene = Scene()
    direction = torch.eye(3, dtype=D)["xyz".index(move)] if move != "scale" else scene.vertices / 100
    integral, difference = integral_and_difference(lambda t: scene.loss(vertices=scene.vertices + t * direction))
    assert integral == pytest.approx(difference, rel=HEAD_MOVES)


@pytest.mark.parametrize("number", range(7))
def test_gradient_to_each_camera_number(number):
    scene = Scene()
    step = torch.tensor([20.0, 20, 20, 1, 1, 20, 0.1], dtype=D)[number]
    direction = torch.eye(7, dtype=D)[number] * step
    integral, difference = integral_and_difference(lambda t: scene.loss(camera=scene.camera + t * direction))
    assert integral == pytest.approx(difference, rel=CAMERA_MOVES)


def test_without_antialiasing_outlines_have_no_gradient():
    """What the test above would show of a renderer that only differentiates inside."""
    scene = Scene(antialias=False)
    integral, difference = integral_and_difference(lambda t: scene.loss(vertices=scene.vertices * (1 + t / 100)))
    assert abs(integral - difference) > 0.5 * abs(difference)


def test_gradient_to_light_and_texture():
    scene = Scene()
    for number in range(9):
        direction = torch.eye(9, dtype=D)[number] * (100.0 if number < 3 else 1.0)
        gradient, difference = gradient_and_difference(
            lambda t, d=direction: scene.loss(light=scene.light + t * d), 1e-4
        )
        assert gradient == pytest.approx(difference, rel=SMOOTH)
    direction = torch.randn_like(scene.texture)
    gradient, difference = gradient_and_difference(lambda t: scene.loss(texture=scene.texture + t * direction), 1e-4)
    assert gradient == pytest.approx(difference, rel=SMOOTH)


def test_gradient_to_single_vertices_between_events():
    """With steps too small for a pixel to change hands the derivative is exact."""
    scene = Scene()
    vertices = scene.vertices.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(scene.loss(vertices=vertices), vertices)
    largest = gradient.norm(dim=1).topk(8).indices
    for vertex in largest:
        direction = torch.zeros_like(vertices)
        direction[vertex] = gradient[vertex] / gradient[vertex].norm()
        expected, difference = gradient_and_difference(
            lambda t, d=direction: scene.loss(vertices=scene.vertices + t * d), 1e-5
        )
        assert expected == pytest.approx(difference, rel=AT_A_VERTEX)


def test_all_gradients_equal_the_oracles(monkeypatch):
    def gradients():
        scene = Scene(96)
        inputs = [t.clone().requires_grad_() for t in (scene.vertices, scene.texture, scene.camera, scene.light)]
        return torch.autograd.grad(scene.loss(*inputs), inputs)

    compiled = gradients()
    monkeypatch.setattr(sys.modules["ganfit_nb.renderer.rasterize"], "_COMPILED", False)
    for ours, oracle in zip(compiled, gradients(), strict=True):
        assert (ours - oracle).abs().max() <= 1e-8 * oracle.abs().max()


@pytest.mark.parametrize("compiled", [True, False], ids=["numba", "torch"])
def test_views_rendered_together_are_those_rendered_alone(monkeypatch, compiled):
    """Each with its own mesh, texture, camera and light: pictures, and gradients to all of these."""
    monkeypatch.setattr(sys.modules["ganfit_nb.renderer.rasterize"], "_COMPILED", compiled)
    vertices, faces, uv = two_eggs(dtype=D)
    count, size = 3, 64
    views = [
        torch.stack([vertices * (1 + 0.1 * k) for k in range(count)]),
        torch.rand(count, 16, 16, 3, dtype=D),
        torch.stack([orbit_camera(0.4 * k - 0.4, 0.1 * k).to(D) for k in range(count)]),
        torch.stack([frontal_light().to(D) * (1 + 0.2 * k) for k in range(count)]),
    ]
    weight = torch.randn(count, size, size, 3, dtype=D)

    def pictures(inputs, weight):
        inputs = [tensor.clone().requires_grad_() for tensor in inputs]
        drawn = render(inputs[0], faces, uv, *inputs[1:], size, background=BACKGROUND)
        shown = (drawn.image, drawn.alpha, drawn.normals, drawn.shaded_geometry, drawn.unlit)
        return [*shown, *torch.autograd.grad((drawn.image * weight).sum(), inputs)]

    together = pictures(views, weight)
    alone = [pictures([tensor[k] for tensor in views], weight[k]) for k in range(count)]
    for several, single in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(several, torch.stack(single), rtol=1e-9, atol=1e-9)


# --- the picture -----------------------------------------------------------------------------------------------------


def example(**options):
    vertices, faces, uv = egg()
    return render(vertices, faces, uv, smooth_texture(), frontal_camera(), frontal_light(), 96, **options)


def test_background_is_a_colour_a_picture_or_grey():
    picture = torch.rand(96, 96, 3)
    empty = example().alpha == 0
    assert (example().image[empty] == 0.5).all()
    assert (example(background=torch.tensor([1.0, 0, 0])).image[empty] == torch.tensor([1.0, 0, 0])).all()
    assert torch.equal(example(background=picture).image[empty], picture[empty])


def test_pictures_of_the_same_view():
    rendering = example()
    full, empty = rendering.alpha == 1, rendering.alpha == 0
    assert torch.allclose(rendering.normals[full].norm(dim=1), torch.ones(int(full.sum())), atol=1e-5)
    assert (rendering.normals[empty] == 0).all()
    clay = rendering.shaded_geometry[full]
    assert torch.allclose(clay[:, 0], clay[:, 1])
    assert clay.std() > 0.05
    uv = rendering.interpolate(egg()[2])
    inner = full & (uv[..., 0] > 0.3) & (uv[..., 0] < 0.7)  # away from the seam
    expected = rasterizer_torch.sample_uv(smooth_texture()[None], uv[inner], torch.zeros(int(inner.sum()), dtype=int))
    assert torch.allclose(rendering.unlit[inner], expected, atol=1e-4)


def test_equal_runs_are_equal_whatever_the_number_of_threads():
    def gradients(threads):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        vertices, faces, uv = egg(5)
        inputs = [t.requires_grad_() for t in (vertices, smooth_texture(), frontal_camera(), frontal_light())]
        image = render(inputs[0], faces, uv, *inputs[1:], 128).image
        result = (image, *torch.autograd.grad((image * torch.linspace(0, 1, 128)[:, None]).sum(), inputs))
        torch.set_num_threads(before)
        return result

    first = gradients(2)
    assert all(torch.equal(a, b) for a, b in zip(first, gradients(2), strict=True))
    assert torch.equal(first[0], gradients(1)[0])


def test_two_threads_may_render_at_once():
    def gradient(_):
        vertices, faces, uv = egg()
        vertices.requires_grad_()
        render(vertices, faces, uv, smooth_texture(), frontal_camera(), frontal_light(), 96).image.sum().backward()
        return vertices.grad

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(gradient, range(24))
    assert all(torch.equal(first, other) for other in others)


def test_vertices_that_are_not_finite_are_refused():
    vertices, faces, uv = egg(2)
    vertices[5, 1] = float("nan")
    with pytest.raises(GanfitError, match="not finite"):
        render(vertices, faces, uv, smooth_texture(), frontal_camera(), frontal_light(), 32)


@pytest.mark.parametrize("variables", [{"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_CACHE_DIR": os.devnull}])
def test_renders_without_numba_and_without_a_place_for_compiled_code(variables):
    program = """
import torch
from ganfit_nb.renderer import rasterize
screen = torch.tensor([[0.0, 0, 100], [8, 0, 100], [0, 8, 100]])
print(int((rasterize(screen, torch.tensor([[0, 1, 2]]), 8).pix_to_face == 0).sum()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **variables}, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "28", done.stderr
