"""Furniture for scenes: plain, thin in parts, seen through in others, and much of it hidden.

A chair, stool or table is a few boxes seen from afar, so each face is a parallelogram.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from flowcodec.training.data.texture import Texture

STOOLS = 0.15  # of the furniture: no back
ONE_FOOT = 0.25  # instead of four legs
PANELS = 0.45  # of the backs: a board instead of slats
ARMS = 0.3  # of the chairs
OTHER = 0.1  # of the faces: in the second of two colours
SIZE, SPREAD = 0.28, 0.25  # half of it, mean and deviation, in shares of the picture's shorter side
SMALLEST, LARGEST = 0.06, 0.9  # of these
LEAST_AREA = 3.0  # pixels of a face that is drawn
EDGE_ON = 0.02  # cosine of the angle at which a face is no longer seen

Part = tuple[slice, slice]  # rows and columns
Box = tuple[np.ndarray, np.ndarray]  # centre and half sizes (3,): x right, y back, z up


@dataclass(frozen=True)
class Face:
    """A parallelogram: its middle (2,) and half its edges (2, 2), in columns, in pixels; its colour
    (3,) in [0, 1]."""

    middle: np.ndarray
    edges: np.ndarray
    paint: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        """(2, 4)"""
        return self.middle[:, None] + self.edges @ np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]])

    def cover(self, x: Tensor, y: Tensor) -> Tensor:
        """How much of a pixel it covers, 0 to 1."""
        covers = []
        for row in np.linalg.inv(self.edges):  # of a place's, to the square from -1 to 1
            slope = math.hypot(*row)
            a, b = (row / slope).tolist()
            away = (a * x + b * y).sub_(float(row @ self.middle) / slope).abs_()
            covers.append(away.neg_().add_(1 / slope + 0.5).clamp_(0, min(1.0, 2 / slope)))
        return covers[0].mul_(covers[1])


@dataclass(frozen=True)
class Furniture:
    """A piece of furniture in the second picture.

    centre (2,) and reach in pixels; faces, the farthest first, relative to the centre; contrast of
    the photograph on them; shading (2,): by how much it lightens with each pixel to the right and
    down.
    """

    centre: np.ndarray
    reach: float
    faces: list[Face]
    contrast: float
    shading: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        """(2, n), relative to the centre."""
        return np.concatenate([np.zeros((2, 1)), *(face.corners for face in self.faces)], 1)

    @staticmethod
    def draw(rng: Generator, height: int, width: int) -> Furniture:
        """A random piece somewhere in the picture."""
        size = min(height, width) * float(np.clip(rng.normal(SIZE, SPREAD), SMALLEST, LARGEST))
        centre = np.array([rng.uniform(0, width), rng.uniform(0, height)])
        contrast = math.exp(rng.uniform(math.log(0.02), math.log(1.5)))
        shading = rng.normal(0, 0.1, 2) * rng.uniform(0, 1) / size
        return Furniture(centre, size, seen(build(rng), size, rng), contrast, shading)

    def drawn(
        self, x: Tensor, y: Tensor, texture: Texture, find: Callable[[np.ndarray], Part | None]
    ) -> tuple[Tensor, Tensor]:
        """Colours (3, h, w) and cover (h, w) at places relative to the centre.

        `find` tells the rows and columns of x and y between some of them (2, corners).
        """
        paint = x.new_zeros(4, *x.shape)  # the last is how much of it there is
        cover = torch.zeros_like(x)
        for face in self.faces:
            part = find(face.corners)
            if part is None:
                continue
            on = face.cover(x[part], y[part])
            colour = x.new_tensor([*face.paint, 1.0])[:, None, None].expand(4, *on.shape)
            paint[:, *part].lerp_(colour, on)
            cover[part] = (cover[part] + on).clamp_(max=1)  # faces that meet leave no gap
        detail = self.contrast * (texture.at(x, y) - texture.mean)
        right, down = self.shading.tolist()
        light = (1 + detail) * (1 + right * x + down * y)
        return (paint[:3] / paint[3].clamp_min(1e-3) * light).clamp_(0, 1), cover


def build(rng: Generator) -> list[Box]:
    """The boxes of a random piece; its seat reaches from -1 to 1 in x."""
    depth, seat = rng.uniform(0.8, 1.1), _between(rng, 0.04, 0.25)
    height, leg = rng.uniform(0.6, 1.8), rng.uniform(0.03, 0.12)
    boxes = [_box(0, 0, 0, 1, depth, seat)]
    if rng.random() < ONE_FOOT:
        boxes += [
            _box(0, 0, -height / 2, leg, leg, height / 2),
            _box(0, 0, -height, rng.uniform(0.4, 0.9), leg, leg),
            _box(0, 0, -height, leg, rng.uniform(0.4, 0.9), leg),
        ]
    else:
        boxes += [
            _box(x * (1 - leg), y * (depth - leg), -height / 2, leg, leg, height / 2)
            for x in (-1, 1)
            for y in (-1, 1)
        ]
        if rng.random() < 0.4:
            low = -height * rng.uniform(0.4, 0.9)
            boxes += [_box(x * (1 - leg), 0, low, leg * 0.6, depth, leg * 0.6) for x in (-1, 1)]
    if rng.random() < STOOLS:
        return boxes
    boxes += _back(rng, depth, leg)
    if rng.random() < ARMS:
        boxes += _arms(rng, depth, leg)
    return boxes


def _back(rng: Generator, depth: float, leg: float) -> list[Box]:
    """A board, or slats that lie or stand between two posts."""
    height, thick = rng.uniform(0.7, 2.2), _between(rng, 0.03, 0.2)
    y = depth - thick
    if rng.random() < PANELS:
        gap = rng.uniform(0, 0.5) if rng.random() < 0.5 else 0.0
        return [_box(0, y, gap + height / 2, rng.uniform(0.7, 1), thick, height / 2)]
    boxes = [_box(x * (1 - leg), y, height / 2, leg, leg, height / 2) for x in (-1, 1)]
    count = int(rng.integers(1, 5))
    slat = height / (2 * count + 1) * rng.uniform(0.3, 0.9)
    if rng.random() < 0.5:
        places = [height * (place + 1) / count - slat for place in range(count)]
        return boxes + [_box(0, y, z, 1, thick, slat) for z in places]
    places = [-1 + 2 * (place + 1) / (count + 1) for place in range(count)]
    boxes += [_box(x, y, height / 2, slat * 0.7, thick, height / 2) for x in places]
    return [*boxes, _box(0, y, height, 1, thick, leg * 1.5)]


def _arms(rng: Generator, depth: float, leg: float) -> list[Box]:
    """On both sides, down to the seat or on a post."""
    height, wide = rng.uniform(0.2, 0.8), _between(rng, 0.04, 0.25)
    if rng.random() < 0.4:
        return [_box(x, 0, height / 2, wide, depth, height / 2) for x in (-1, 1)]
    rests = [_box(x, 0, height, wide, depth, 0.06) for x in (-1, 1)]
    posts = [_box(x, -depth * 0.8, height / 2, leg, leg, height / 2) for x in (-1, 1)]
    return rests + posts


def _box(x: float, y: float, z: float, a: float, b: float, c: float) -> Box:
    return np.array([x, y, z]), np.array([a, b, c])


def _between(rng: Generator, low: float, high: float) -> float:
    """On a scale of ratios."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def seen(boxes: list[Box], size: float, rng: Generator) -> list[Face]:
    """The faces of boxes from a random side, by parallel rays, within `size` pixels of (0, 0)."""
    turn, rise, roll = rng.uniform(0, 2 * math.pi), rng.uniform(-0.1, 0.9), rng.normal(0, 0.1)
    towards = np.array(
        [math.sin(turn) * math.cos(rise), -math.cos(turn) * math.cos(rise), math.sin(rise)]
    )
    right = np.array([math.cos(turn), math.sin(turn), 0])
    tilt = np.array([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
    view = tilt @ np.stack([right, np.cross(right, towards)])  # (2, 3), y down
    low = np.min([centre - half for centre, half in boxes], 0)
    high = np.max([centre + half for centre, half in boxes], 0)
    view *= size / (np.linalg.norm(high - low) / 2)
    sun = rng.normal(0, 1, 3) + np.array([0, 0, 1.5])
    sun /= np.linalg.norm(sun)
    shade = rng.uniform(0.2, 0.8)
    colours = [_colour(rng), _colour(rng)]
    faces = []
    for centre, half in sorted(boxes, key=lambda box: float(towards @ box[0])):
        for axis in range(3):
            if abs(towards[axis]) < EDGE_ON:
                continue
            normal = np.zeros(3)
            normal[axis] = np.sign(towards[axis])
            edges = np.delete(view * half, axis, 1)  # (2, 2), half an edge in each column
            if 4 * abs(np.linalg.det(edges)) < LEAST_AREA:
                continue
            light = shade + (1 - shade) * max(0.0, float(normal @ sun))
            paint = colours[int(rng.random() < OTHER)] * light
            middle = view @ (centre + normal * half - (low + high) / 2)
            faces.append(Face(middle, edges, paint))
    return faces


def _colour(rng: Generator) -> np.ndarray:
    """More often dark than light, most of the time near grey."""
    light = rng.uniform(0, 1) ** (2 if rng.random() < 0.6 else 1)
    return (light * rng.uniform(0.7, 1.3, 3)).clip(0, 1)
