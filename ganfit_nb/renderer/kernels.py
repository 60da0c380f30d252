"""The compiled loops of the CPU rasteriser. Screen vertices are [x px, y px, depth mm]."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from ganfit_nb.renderer.compiled import compiled


@compiled
@no_type_check
def set_up_faces(part, parts, screen, faces, height, width, near, planes, boxes):
    """Per face: three edge functions and the plane of 1/depth (F, 12), and its box of pixel centres (F, 4)."""
    count = faces.shape[0]
    for f in range(part * count // parts, (part + 1) * count // parts):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0, z0 = np.float64(screen[a, 0]), np.float64(screen[a, 1]), np.float64(screen[a, 2])
        x1, y1, z1 = np.float64(screen[b, 0]), np.float64(screen[b, 1]), np.float64(screen[b, 2])
        x2, y2, z2 = np.float64(screen[c, 0]), np.float64(screen[c, 1]), np.float64(screen[c, 2])
        boxes[f, 0], boxes[f, 1], boxes[f, 2], boxes[f, 3] = 1, 0, 1, 0  # empty
        if not min(z0, z1, z2) > near:
            continue
        left, right = max(0.0, np.ceil(min(x0, x1, x2) - 0.5)), min(width - 1.0, np.floor(max(x0, x1, x2) - 0.5))
        top, bottom = max(0.0, np.ceil(min(y0, y1, y2) - 0.5)), min(height - 1.0, np.floor(max(y0, y1, y2) - 0.5))
        if left > right or top > bottom:
            continue
        a0, b0, c0 = y1 - y2, x2 - x1, x1 * y2 - y1 * x2
        a1, b1, c1 = y2 - y0, x0 - x2, x2 * y0 - y2 * x0
        a2, b2, c2 = y0 - y1, x1 - x0, x0 * y1 - y0 * x1
        area = c0 + c1 + c2
        if area == 0.0:
            continue
        if area < 0.0:  # seen from behind: turn the edge functions so that inside is positive
            a0, b0, c0, a1, b1, c1, a2, b2, c2, area = -a0, -b0, -c0, -a1, -b1, -c1, -a2, -b2, -c2, -area
        planes[f, 0], planes[f, 1], planes[f, 2] = a0, b0, c0
        planes[f, 3], planes[f, 4], planes[f, 5] = a1, b1, c1
        planes[f, 6], planes[f, 7], planes[f, 8] = a2, b2, c2
        planes[f, 9] = (a0 / z0 + a1 / z1 + a2 / z2) / area
        planes[f, 10] = (b0 / z0 + b1 / z1 + b2 / z2) / area
        planes[f, 11] = (c0 / z0 + c1 / z1 + c2 / z2) / area
        boxes[f, 0], boxes[f, 1], boxes[f, 2], boxes[f, 3] = int(left), int(right), int(top), int(bottom)


@compiled
@no_type_check
def fill(part, parts, planes, boxes, nearest, pix_to_face):
    """z-buffer a band of rows; a pixel centre on a shared edge belongs to one face by the top-left rule."""
    height, width = pix_to_face.shape
    first, end = part * height // parts, (part + 1) * height // parts
    for y in range(first, end):
        for x in range(width):
            nearest[y, x] = np.inf
            pix_to_face[y, x] = -1
    for f in range(boxes.shape[0]):
        top, bottom = max(boxes[f, 2], first), min(boxes[f, 3], end - 1)
        if top > bottom:
            continue
        a0, b0, c0 = planes[f, 0], planes[f, 1], planes[f, 2]
        a1, b1, c1 = planes[f, 3], planes[f, 4], planes[f, 5]
        a2, b2, c2 = planes[f, 6], planes[f, 7], planes[f, 8]
        owns0 = a0 > 0.0 or (a0 == 0.0 and b0 > 0.0)
        owns1 = a1 > 0.0 or (a1 == 0.0 and b1 > 0.0)
        owns2 = a2 > 0.0 or (a2 == 0.0 and b2 > 0.0)
        for y in range(top, bottom + 1):
            py = y + 0.5
            for x in range(boxes[f, 0], boxes[f, 1] + 1):
                px = x + 0.5
                e0 = (a0 * px + b0 * py) + c0
                e1 = (a1 * px + b1 * py) + c1
                e2 = (a2 * px + b2 * py) + c2
                if e0 < 0.0 or e1 < 0.0 or e2 < 0.0:
                    continue
                if (e0 == 0.0 and not owns0) or (e1 == 0.0 and not owns1) or (e2 == 0.0 and not owns2):
                    continue
                depth = np.float32(1.0 / ((planes[f, 9] * px + planes[f, 10] * py) + planes[f, 11]))
                if depth < nearest[y, x]:
                    nearest[y, x] = depth
                    pix_to_face[y, x] = f


@compiled
@no_type_check
def barycentric(part, parts, screen, corners, pixels, width, bary, depth):
    """Perspective-correct barycentric coordinates and depth of pixel centres."""
    count = pixels.shape[0]
    for i in range(part * count // parts, (part + 1) * count // parts):
        a, b, c = corners[i, 0], corners[i, 1], corners[i, 2]
        px, py = pixels[i] % width + 0.5, pixels[i] // width + 0.5
        x0, x1, x2 = screen[a, 0] - px, screen[b, 0] - px, screen[c, 0] - px
        y0, y1, y2 = screen[a, 1] - py, screen[b, 1] - py, screen[c, 1] - py
        q0 = (x1 * y2 - y1 * x2) / screen[a, 2]
        q1 = (x2 * y0 - y2 * x0) / screen[b, 2]
        q2 = (x0 * y1 - y0 * x1) / screen[c, 2]
        total = q0 + q1 + q2
        bary[i, 0], bary[i, 1], bary[i, 2] = q0 / total, q1 / total, q2 / total
        depth[i] = bary[i, 0] * screen[a, 2] + bary[i, 1] * screen[b, 2] + bary[i, 2] * screen[c, 2]


@compiled
@no_type_check
def barycentric_backward(part, parts, screen, corners, pixels, width, grad_bary, grad_depth, grad_screen):
    """Gradient of `barycentric` to the screen vertices, added to this part's own (V, 3) of `grad_screen`."""
    grad, count = grad_screen[part], pixels.shape[0]
    for i in range(part * count // parts, (part + 1) * count // parts):
        a, b, c = corners[i, 0], corners[i, 1], corners[i, 2]
        px, py = pixels[i] % width + 0.5, pixels[i] // width + 0.5
        x0, x1, x2 = screen[a, 0] - px, screen[b, 0] - px, screen[c, 0] - px
        y0, y1, y2 = screen[a, 1] - py, screen[b, 1] - py, screen[c, 1] - py
        z0, z1, z2 = screen[a, 2], screen[b, 2], screen[c, 2]
        q0, q1, q2 = (x1 * y2 - y1 * x2) / z0, (x2 * y0 - y2 * x0) / z1, (x0 * y1 - y0 * x1) / z2
        total = q0 + q1 + q2
        b0, b1, b2 = q0 / total, q1 / total, q2 / total
        # depth = Σ b z, so it adds to the gradient of b and, directly, of z
        g = grad_depth[i]
        g0, g1, g2 = grad_bary[i, 0] + g * z0, grad_bary[i, 1] + g * z1, grad_bary[i, 2] + g * z2
        mean = g0 * b0 + g1 * b1 + g2 * b2
        h0, h1, h2 = (g0 - mean) / total, (g1 - mean) / total, (g2 - mean) / total  # to q
        grad[a, 2] += g * b0 - h0 * q0 / z0
        grad[b, 2] += g * b1 - h1 * q1 / z1
        grad[c, 2] += g * b2 - h2 * q2 / z2
        h0, h1, h2 = h0 / z0, h1 / z1, h2 / z2
        grad[a, 0] += h2 * y1 - h1 * y2
        grad[b, 0] += h0 * y2 - h2 * y0
        grad[c, 0] += h1 * y0 - h0 * y1
        grad[a, 1] += h1 * x2 - h2 * x1
        grad[b, 1] += h2 * x0 - h0 * x2
        grad[c, 1] += h0 * x1 - h1 * x0


@compiled
@no_type_check
def interpolate(part, parts, attributes, corners, bary, values):
    """values (N, C) = Σ_k bary[:, k] attributes[corners[:, k]]."""
    count = corners.shape[0]
    for i in range(part * count // parts, (part + 1) * count // parts):
        a, b, c = corners[i, 0], corners[i, 1], corners[i, 2]
        for k in range(attributes.shape[1]):
            values[i, k] = bary[i, 0] * attributes[a, k] + bary[i, 1] * attributes[b, k] + bary[i, 2] * attributes[c, k]


@compiled
@no_type_check
def interpolate_backward(part, parts, attributes, corners, bary, grad_values, grad_attributes, grad_bary):
    """Gradient of `interpolate`; attributes get theirs in this part's own (V, C) of `grad_attributes`."""
    grad, count = grad_attributes[part], corners.shape[0]
    for i in range(part * count // parts, (part + 1) * count // parts):
        a, b, c = corners[i, 0], corners[i, 1], corners[i, 2]
        b0, b1, b2 = bary[i, 0], bary[i, 1], bary[i, 2]
        g0 = g1 = g2 = attributes.dtype.type(0)
        for k in range(attributes.shape[1]):
            g = grad_values[i, k]
            g0 += g * attributes[a, k]
            g1 += g * attributes[b, k]
            g2 += g * attributes[c, k]
            grad[a, k] += b0 * g
            grad[b, k] += b1 * g
            grad[c, k] += b2 * g
        grad_bary[i, 0], grad_bary[i, 1], grad_bary[i, 2] = g0, g1, g2
