"""Points in the plane, in two classes or with a height, after the sets of TensorFlow Playground (Smilkov
2017).

The plane is [-6, 6] x [-6, 6]; every set is a pure function of its fields.
"""

import dataclasses
from typing import Annotated, ClassVar, TypeAlias, final

import numpy as np

from thalweg.core import Knob
from thalweg.core.random import numpy_generator
from thalweg.data.base import Dataset, Source

Noise: TypeAlias = Annotated[float, Knob("how far points are shaken, as a share of the pattern", "[0, 1]", 0, 0.5)]
Size: TypeAlias = Annotated[int, Knob("number of examples", "[8, 10000000]", 100, 10000, log=True)]
Seed: TypeAlias = Annotated[int, Knob("seed of the points", "[0, inf)", 0, 100)]
_RADIUS = 5.0


def _classes(points: np.ndarray, positive: np.ndarray, origin: str) -> Dataset:
    return Dataset(
        inputs=points,
        targets=positive.astype(np.int64),
        task="classification",
        kind="points",
        feature_names=("x1", "x2"),
        class_names=("orange", "blue"),
        target_names=("colour",),
        origin=origin,
    )


def _heights(points: np.ndarray, heights: np.ndarray, origin: str) -> Dataset:
    return Dataset(
        inputs=points,
        targets=heights,
        task="regression",
        kind="points",
        feature_names=("x1", "x2"),
        target_names=("height",),
        origin=origin,
    )


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Circle(Source):
    """Give a disc of one class inside a ring of the other."""

    name: ClassVar[str] = "circle"
    noise: Noise = 0.1
    size: Size = 500
    seed: Seed = 0

    def load(self) -> Dataset:
        draw = numpy_generator(self.seed, "data.circle")
        inside = np.arange(self.size) < self.size // 2
        radius = _RADIUS * np.where(inside, draw.uniform(0, 0.5, self.size), draw.uniform(0.7, 1, self.size))
        angle = draw.uniform(0, 2 * np.pi, self.size)
        points = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
        shaken = points + self.noise * draw.uniform(-_RADIUS, _RADIUS, points.shape)
        return _classes(points, np.hypot(shaken[:, 0], shaken[:, 1]) < _RADIUS / 2, self.name)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Xor(Source):
    """Give four quadrants whose class is the sign of x1 x2."""

    name: ClassVar[str] = "xor"
    noise: Noise = 0.1
    size: Size = 500
    seed: Seed = 0

    def load(self) -> Dataset:
        draw = numpy_generator(self.seed, "data.xor")
        points = draw.uniform(-_RADIUS, _RADIUS, (self.size, 2))
        points += 0.3 * np.sign(points)  # a gap along the axes, so that the noiseless set is separable
        shaken = points + self.noise * draw.uniform(-_RADIUS, _RADIUS, points.shape)
        return _classes(points, shaken[:, 0] * shaken[:, 1] >= 0, self.name)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Gauss(Source):
    """Give two round clouds at (2, 2) and (-2, -2)."""

    name: ClassVar[str] = "gauss"
    noise: Noise = 0.1
    size: Size = 500
    seed: Seed = 0

    def load(self) -> Dataset:
        draw = numpy_generator(self.seed, "data.gauss")
        positive = np.arange(self.size) < self.size // 2
        deviation = np.sqrt(0.5 + 7 * self.noise)
        centre = np.where(positive, 2.0, -2.0)[:, None]
        return _classes(centre + deviation * draw.standard_normal((self.size, 2)), positive, self.name)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Spiral(Source):
    """Give two arms wound around each other, the hardest of the plane sets."""

    name: ClassVar[str] = "spiral"
    noise: Noise = 0.1
    size: Size = 500
    seed: Seed = 0

    def load(self) -> Dataset:
        draw = numpy_generator(self.seed, "data.spiral")
        positive = np.arange(self.size) < self.size // 2
        arm = np.concatenate([np.linspace(0, 1, count, endpoint=False) for count in _halves(self.size)])
        angle = 3.5 * np.pi * arm + np.where(positive, 0.0, np.pi)
        points = _RADIUS * arm[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        return _classes(points + self.noise * draw.uniform(-1, 1, points.shape), positive, self.name)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Moons(Source):
    """Give two half circles that reach into each other."""

    name: ClassVar[str] = "moons"
    noise: Noise = 0.1
    size: Size = 500
    seed: Seed = 0

    def load(self) -> Dataset:
        draw = numpy_generator(self.seed, "data.moons")
        positive = np.arange(self.size) < self.size // 2
        angle = np.concatenate([np.linspace(0, np.pi, count) for count in _halves(self.size)])
        sign = np.where(positive, 1.0, -1.0)
        points = np.stack([sign * (np.cos(angle) - 0.5), sign * (np.sin(angle) - 0.25)], axis=1)
        return _classes(3 * (points + self.noise * draw.standard_normal(points.shape)), positive, self.name)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plane(Source):
    """Give a tilted plane over the points: height = (x1 + x2) / 10."""

    name: ClassVar[str] = "plane"
    noise: Noise = 0.0
    size: Size = 500
    seed: Seed = 0

    def load(self) -> Dataset:
        draw = numpy_generator(self.seed, "data.plane")
        points = draw.uniform(-6, 6, (self.size, 2))
        shaken = points + self.noise * draw.uniform(-6, 6, points.shape)
        return _heights(points, shaken.sum(axis=1) / 10, self.name)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MultiGauss(Source):
    """Give six hills and hollows, cones of radius 2 and height 1; at a point the largest counts."""

    name: ClassVar[str] = "multi_gauss"
    noise: Noise = 0.0
    size: Size = 500
    seed: Seed = 0

    def load(self) -> Dataset:
        draw = numpy_generator(self.seed, "data.multi_gauss")
        points = draw.uniform(-6, 6, (self.size, 2))
        shaken = points + self.noise * draw.uniform(-6, 6, points.shape)
        centres = np.array([[-4, 2.5], [0, 2.5], [4, 2.5], [-4, -2.5], [0, -2.5], [4, -2.5]])
        signs = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
        distance = np.linalg.norm(shaken[:, None] - centres, axis=2)
        height = np.clip(1 - distance / 2, 0, 1)
        tallest = height.argmax(axis=1)
        return _heights(points, signs[tallest] * height[np.arange(self.size), tallest], self.name)


def _halves(size: int) -> tuple[int, int]:
    return size // 2, size - size // 2
