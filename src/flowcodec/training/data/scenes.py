"""Moving scenes from still photographs: pairs of pictures with exact flow, as many as wanted.

A scene is a photograph as background and, over it, objects cut out of other photographs (blobs,
polygons and bars) or furniture. Each moves in its own way, by a homography and a smooth elastic
field on top. Shapes and textures are functions of the place in the *second* picture; the first
shows, at p, what lies at p + f(p). So the flow is explicit and exact, edges are anti-aliased in
both pictures, and every texture is interpolated once in either. What a camera adds comes last:
motion blur, defocus, changes of light, noise and the marks of compression.

Everything is decided by (seed, index), so that a resumed training sees the same scenes. Tensors
live on the device of the photographs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from flowcodec.nn.warp import warp
from flowcodec.training.data.camera import develop
from flowcodec.training.data.furniture import Furniture, Part
from flowcodec.training.data.texture import Texture

STILL = 0.08  # of the scenes: nothing moves
FIXED = 0.15  # of the scenes: the camera does not move, objects do
LEAST, MOST = 0.15, 0.20  # of motion: pixels, and shares of the picture's diagonal
OBJECTS = 5.0  # in the mean
PIECES, BESIDE = 6.0, 1.0  # of furniture where there is some, and objects then; in the mean
ELASTIC = 0.3  # of the layers
BLURRED = 0.12  # of the scenes, by motion
SHUTTER = 0.6  # at most, of the time between the two pictures
TAPS = 5
NEAREST = 0.2  # of perspective: nothing grows by more than its inverse
THINNEST = 1.5  # of a bar: half its width, pixels
CORNERS = 64  # of the table of a shape's radius


@dataclass(frozen=True)
class Scene:
    """Pairs with their truth.

    first, second (B, 3, H, W) in [0, 1], in steps of 8 bits; flow (B, 2, H, W) from first to
    second in pixels, x to the right and y down; occluded (B, H, W), true where a pixel of the first
    picture is hidden in the second or has left it (its flow is right all the same); valid
    (B, H, W), false where the flow is not known: never in a generated scene.
    """

    first: Tensor
    second: Tensor
    flow: Tensor
    occluded: Tensor
    valid: Tensor


def join(scenes: Sequence[Scene], device: torch.device) -> Scene:
    """Batches of one size as one batch on a device."""
    names = [field.name for field in fields(Scene)]
    parts = ([getattr(scene, name).to(device) for scene in scenes] for name in names)
    return Scene(*(torch.cat(part) for part in parts))


class Scenes:
    """A source of scenes: photographs, uint8 tensors (3, H, W), and a seed.

    `furnished` is the share of scenes that are full of furniture.
    """

    def __init__(self, photographs: Sequence[Tensor], seed: int, furnished: float = 0.0):
        self.photographs = photographs
        self.seed = seed
        self.furnished = furnished

    def batch(self, start: int, count: int, height: int, width: int) -> Scene:
        """Scenes number `start` to `start + count - 1`."""
        scenes = [self.scene(start + place, height, width) for place in range(count)]
        return join(scenes, self.photographs[0].device)

    def scene(self, index: int, height: int, width: int) -> Scene:
        """One scene, as a batch of one."""
        rng = np.random.default_rng([self.seed, index])
        canvas = Canvas(height, width, self.photographs[0].device)
        still = rng.random() < STILL
        moves = Moves(rng, height, width, still)
        background = moves.background()
        canvas.paint(background, None, Texture.draw(rng, self.photographs, height, width))
        objects = OBJECTS
        if self.furnished and rng.random() < self.furnished:
            objects = BESIDE
            for _ in range(1 + min(rng.poisson(PIECES), 14)):
                piece = Furniture.draw(rng, height, width)
                side = 2 * math.ceil(piece.reach)
                motion = moves.of_object(background, piece)
                texture = Texture.draw(rng, self.photographs, side, side)
                canvas.paint(motion, piece, texture)
        for _ in range(min(rng.poisson(objects), 16)):
            shape = Shape.draw(rng, height, width)
            motion = moves.of_object(background, shape)
            contrast = rng.uniform(0.1, 1) if rng.random() < 0.2 else 1.0
            side = 2 * math.ceil(shape.reach)
            texture = Texture.draw(rng, self.photographs, side, side, contrast)
            canvas.paint(motion, shape, texture)
        first, second = canvas.pictures
        if rng.random() < BLURRED:
            shutter = rng.uniform(0.2, SHUTTER)
            first = smear(first, canvas.flow * shutter)
            second = smear(second, canvas.velocity * shutter)
        generator = torch.Generator(first.device).manual_seed(int(rng.integers(2**62)))
        first, second = develop(first, second, rng, generator)
        occluded = canvas.occluded()
        return Scene(first, second, canvas.flow, occluded, torch.ones_like(occluded))


@dataclass(frozen=True)
class Motion:
    """Where a place of the first picture lies in the second: a homography, and an elastic field.

    homography (3, 3) on pixels; elastic (2, h, w): displacements in pixels on a coarse grid over
    the whole first picture, or None; size: that picture's height and width.
    """

    homography: np.ndarray
    elastic: Tensor | None
    size: tuple[int, int]

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Columns (w,) and rows (h,) of the first picture to places (h, w) of the second."""
        h = self.homography.tolist()
        u, v, scale = (row[0] * x + (row[1] * y + row[2])[:, None] for row in h)
        scale.clamp_min_(NEAREST)
        u, v = u.div_(scale), v.div_(scale)
        if self.elastic is not None:
            height, width = self.size
            down = _cubic(self.elastic.shape[1], y * (2 / height) - 1)
            right = _cubic(self.elastic.shape[2], x * (2 / width) - 1)
            shift = down @ self.elastic @ right.T
            u, v = u.add_(shift[0]), v.add_(shift[1])
        return u, v

    def places_before(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of the second picture to those of the first, the elastic field left out."""
        u, v, w = np.linalg.inv(self.homography) @ np.stack([x, y, np.ones_like(x)])
        w = np.maximum(w, NEAREST)
        return u / w, v / w

    @property
    def margin(self) -> float:
        """How far, in pixels, the elastic field moves anything."""
        return 0.0 if self.elastic is None else float(self.elastic.abs().max()) * 1.5


class Moves:
    """How the layers of a scene move."""

    def __init__(self, rng: Generator, height: int, width: int, still: bool):
        self.rng, self.height, self.width, self.still = rng, height, width, still
        self.diagonal = math.hypot(height, width)

    def length(self) -> float:
        """A typical displacement in pixels: as many small ones as large, on a scale of ratios."""
        high = math.log(MOST * self.diagonal)
        return math.exp(self.rng.uniform(math.log(LEAST), high))

    def background(self) -> Motion:
        """The camera's motion, over the whole picture."""
        centre = np.array([self.width / 2, self.height / 2])
        length = 0.0 if self.rng.random() < FIXED else 0.7 * self.length()
        return self.motion(np.eye(3), centre, self.diagonal / 2, length)

    def of_object(self, background: Motion, shape: Shape | Furniture) -> Motion:
        """The background's, times what the object does itself; one in five does nothing."""
        own = 0.0 if self.rng.random() < 0.2 else self.length()
        before = background.places_before(*shape.centre[:, None])
        where = np.array([before[0][0], before[1][0]])
        limit = 1.5 * self.diagonal  # beyond, the background's perspective has run away
        base = background.homography if np.abs(where).max() < limit else np.eye(3)
        return self.motion(base, shape.centre, shape.reach, own)

    def motion(self, base: np.ndarray, centre: np.ndarray, reach: float, length: float) -> Motion:
        """`base`, then a motion around `centre` of about `length` pixels within `reach`."""
        rng = self.rng
        if self.still or length == 0:
            return Motion(base if not self.still else np.eye(3), None, (self.height, self.width))
        share = rng.dirichlet([2.0, 1.0, 1.0])  # of shift; turn and zoom; shear and perspective
        angle = rng.uniform(0, 2 * math.pi)
        shift = length * math.sqrt(share[0]) * np.array([math.cos(angle), math.sin(angle)])
        bend = min(length / reach, 0.5)
        turn, zoom = rng.normal(0, bend * math.sqrt(share[1]), 2).clip(-0.6, 0.6)
        linear = math.exp(zoom) * np.array(
            [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
        )
        linear = linear @ (
            np.eye(2) + rng.normal(0, 0.4 * bend * math.sqrt(share[2]), (2, 2)).clip(-0.3, 0.3)
        )
        tilt = rng.normal(0, 0.4 * bend * math.sqrt(share[2]), 2).clip(-0.3, 0.3) / reach
        around = np.eye(3)
        around[:2, :2] = linear
        around[2, :2] = tilt
        to, back = np.eye(3), np.eye(3)
        to[:2, 2] = -centre
        back[:2, 2] = centre + shift
        elastic = self.elastic(length) if rng.random() < ELASTIC else None
        return Motion(back @ around @ to @ base, elastic, (self.height, self.width))

    def elastic(self, length: float) -> Tensor:
        """A smooth field of up to about `length`, never so steep that it folds."""
        spacing = math.exp(self.rng.uniform(math.log(24), math.log(self.diagonal / 3)))
        shape = (2, 3 + round(self.height / spacing), 3 + round(self.width / spacing))
        strength = min(0.4 * length, 0.15 * spacing)
        return torch.from_numpy(self.rng.normal(0, strength, shape).astype(np.float32))


@dataclass(frozen=True)
class Shape:
    """An object's outline in the second picture: a radius by angle, on stretched axes.

    centre (2,) and reach in pixels; axes (2, 2) from pixels relative to the centre to the plane of
    the outline; radius (CORNERS,) around it, in pixels of the larger axis.
    """

    centre: np.ndarray
    reach: float
    axes: np.ndarray
    radius: Tensor

    @staticmethod
    def draw(rng: Generator, height: int, width: int) -> Shape:
        """A random shape somewhere in the picture."""
        largest = 0.3 * min(height, width)
        size = math.exp(rng.uniform(math.log(5), math.log(largest)))
        angle = np.arange(CORNERS) * (2 * math.pi / CORNERS)
        kind = rng.random()
        if kind < 0.45:  # a blob
            radius: np.ndarray = np.ones(CORNERS)
            for wave in range(2, 7):
                radius += rng.normal(0, 0.45 / wave) * np.cos(
                    wave * angle + rng.uniform(0, 2 * math.pi)
                )
            radius = radius.clip(0.25, 2.0)
            stretch = math.exp(rng.uniform(0, 0.8))
        else:  # a polygon, or a rectangle that may be a thin bar
            corners = 4 if kind > 0.75 else int(rng.integers(3, 8))
            normals = np.arange(corners) * (2 * math.pi / corners)
            if corners != 4:
                drawn = np.sort(rng.uniform(0, 2 * math.pi, corners))
                if np.diff(drawn, append=drawn[0] + 2 * math.pi).max() < 0.9 * math.pi:
                    normals = drawn
            sides = np.cos((angle[:, None] - normals).T)
            radius = np.clip(1 / np.maximum(sides, 1e-3).max(0), 0.25, 2.5)
            longest = 2.5 if corners == 4 else 0.8
            stretch = math.exp(min(rng.uniform(0, longest), math.log(size / THINNEST)))
        tilt = rng.uniform(0, math.pi)
        turned = np.array([[math.cos(tilt), math.sin(tilt)], [-math.sin(tilt), math.cos(tilt)]])
        axes = np.diag([1.0, stretch]) @ turned
        centre = np.array([rng.uniform(0, width), rng.uniform(0, height)])
        reach = size * float(radius.max())
        table = torch.from_numpy((size * radius).astype(np.float32))
        return Shape(centre, reach, axes, table)

    @property
    def corners(self) -> np.ndarray:
        """(2, 4), relative to the centre, of a square around it."""
        return self.reach * np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]])

    def drawn(self, x: Tensor, y: Tensor, texture: Texture, _: object) -> tuple[Tensor, Tensor]:
        """Colours (3, h, w) and cover (h, w) at places relative to the centre."""
        return texture.at(x, y), self.cover(x, y)

    def cover(self, x: Tensor, y: Tensor) -> Tensor:
        """How much of a pixel the object covers, at places relative to the centre: 0 to 1."""
        (a, b), (c, d) = self.axes.tolist()
        u, v = a * x + b * y, c * x + d * y
        turn = torch.atan2(v, u).mul_(CORNERS / (2 * math.pi)).add_(CORNERS / 2)
        low = turn.floor()
        radius = self.radius.to(x.device).roll(CORNERS // 2)
        radius = torch.cat([radius, radius[:2]])  # from half a turn back to half a turn on
        index = low.long().flatten()
        edge, after = (radius.index_select(0, i).view_as(x) for i in (index, index + 1))
        edge = edge.lerp_(after, turn - low)
        distance = torch.sqrt(u * u + v * v)
        # A pixel's step changes u and v by up to `scale`, mostly across the longer side.
        slope = torch.sqrt(
            ((a * u + c * v) ** 2 + (b * u + d * v) ** 2).clamp_min(1e-6)
        ) / distance.clamp_min(1e-3)
        return ((edge - distance) / slope.clamp_min(1e-3) + 0.5).clamp(0, 1)


class Canvas:
    """The two pictures in the making, their flow, and which layer is seen where."""

    def __init__(self, height: int, width: int, device: torch.device):
        self.height, self.width = height, width
        self.whole = slice(0, height), slice(0, width)
        self.pictures = [torch.zeros(1, 3, height, width, device=device) for _ in range(2)]
        self.flow = torch.zeros(1, 2, height, width, device=device)
        self.velocity = torch.zeros(1, 2, height, width, device=device)
        self.labels = torch.zeros(2, height, width, dtype=torch.int16, device=device)
        self.layers = 0
        row = torch.arange(height, dtype=torch.float32, device=device)
        column = torch.arange(width, dtype=torch.float32, device=device)
        self.y, self.x = torch.meshgrid(row, column, indexing="ij")

    def paint(self, motion: Motion, shape: Shape | Furniture | None, texture: Texture) -> None:
        """Put a layer on top: the background (no shape), or an object."""
        if motion.elastic is not None:
            motion = Motion(motion.homography, motion.elastic.to(self.x.device), motion.size)
        self.layers += 1
        centre = np.array([self.width / 2, self.height / 2]) if shape is None else shape.centre
        for number in (0, 1):
            find = partial(self.find, motion if number == 0 else None, centre)
            box = self.whole if shape is None else find(shape.corners)
            if box is None:
                continue
            x, y = self.x[box], self.y[box]
            there = motion(x[0], y[:, 0])
            u, v = there if number == 0 else (x, y)
            u, v = u - centre[0], v - centre[1]
            shift = torch.stack([there[0] - x, there[1] - y])
            picture = self.pictures[number][0][:, *box]
            moved = (self.flow if number == 0 else self.velocity)[0][:, *box]
            labels = self.labels[number][box]
            if shape is None:
                picture.copy_(texture.at(u, v))
                moved.copy_(shift)
                labels.fill_(self.layers)
            else:
                colours, cover = shape.drawn(u, v, texture, partial(find, box=box))
                picture.lerp_(colours, cover)
                mostly = cover > 0.5
                moved.copy_(torch.where(mostly, shift, moved))
                labels.masked_fill_(mostly, self.layers)

    def find(
        self,
        motion: Motion | None,
        centre: np.ndarray,
        corners: np.ndarray,
        box: Part | None = None,
    ) -> Part | None:
        """Rows and columns between corners (2, n) relative to a centre of the second picture.

        In the first picture, with the motion that leads there; in the second, without. In `box`,
        they count from its first.
        """
        corners = corners + centre[:, None]
        margin = 1.0
        if motion is not None:
            corners = np.stack(motion.places_before(corners[0], corners[1]))
            margin += motion.margin * 2
        rows, columns = box or self.whole
        start = np.array([columns.start, rows.start])
        size = np.array([columns.stop, rows.stop]) - start
        low = (np.floor(corners.min(1) - margin) - start).clip(0, size)
        high = (np.ceil(corners.max(1) + margin) - start).clip(0, size)
        if (high - low < (2 if box is None else 1)).any():
            return None
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    def occluded(self) -> Tensor:
        """(1, H, W): where the second picture does not show what the first does."""
        x, y = self.x + self.flow[0, 0], self.y + self.flow[0, 1]
        right, bottom = self.width - 1, self.height - 1
        seen = (x >= 0) & (y >= 0) & (x <= right) & (y <= bottom)
        columns = [edge.long().clamp_(0, right) for edge in (x.floor(), x.ceil())]
        rows = [edge.long().clamp_(0, bottom) * self.width for edge in (y.floor(), y.ceil())]
        ours, theirs = self.labels.flatten(1)
        places = [(row + column).flatten() for row in rows for column in columns]
        alike = [theirs.index_select(0, place) == ours for place in places]
        return ~(seen & (alike[0] | alike[1] | alike[2] | alike[3]).view_as(seen))[None]


def _cubic(count: int, places: Tensor) -> Tensor:
    """(n, count): what each of `count` samples from -1 to 1 counts at places (n,) by a cubic."""
    samples = torch.eye(count, device=places.device).view(1, count, count, 1)
    grid = torch.stack([torch.zeros_like(places), places], 1)
    return F.grid_sample(
        samples, grid[None, None], mode="bicubic", padding_mode="border", align_corners=True
    )[0, :, 0].T


def smear(picture: Tensor, motion: Tensor) -> Tensor:
    """Motion blur: the mean of what lies along `motion` (1, 2, H, W), around each pixel."""
    steps = torch.linspace(-0.5, 0.5, TAPS).tolist()
    return torch.stack([warp(picture, motion * step) for step in steps]).mean(0)
