"""A decoder of tiles and inter frames in plain Python, written from sections 8, 9 and 18 of SPEC.md
and nothing else.

It shares no code with flowcodec and uses no number but Python's integers (and decimals for one
table). Slow and short: for small tiles only. Maps are dictionaries from (row, column) to lists of
channels.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from functools import cache
from itertools import product
from math import prod

Tensor = tuple[tuple[int, ...], list[int]]
Map = dict[tuple[int, int], list[int]]
WORD, STATE = 1 << 32, 1 << 64


def clamp(x: int, low: int, high: int) -> int:
    return max(low, min(high, x))


def activation(x: int) -> int:
    return clamp(x, -(2**17), 2**17)


RANKS: dict[str, Callable[[int, int], int]] = {  # 8.6
    "checkerboard": lambda r, c: (r + c) % 2,
    "wavefront": lambda r, c: 3 * r + c,
    "four-step": lambda r, c: [[0, 2], [3, 1]][r % 2][c % 2],
    "one-step": lambda r, c: 0,
}
BIASES = {"checkerboard": 1, "wavefront": 1, "four-step": 3, "one-step": 0}


def orders_of(word: str, slices: int) -> list[str]:
    """18"""
    orders = [word] * slices
    return [*orders[:-1], "one-step"] if word == "checkerboard" else orders


class WeightFile:
    """8.1; of an inter model, with part "motion" or "codec", 18"""

    def __init__(self, data: bytes, part: str = ""):
        size = int.from_bytes(data[:8], "little")
        described = json.loads(data[8 : 8 + size])
        config = json.loads(described.pop("__metadata__")["config"])
        of = "motion_" if part == "motion" else ""
        self.slices = tuple(config.get(f"{of}slices") or config[f"{of}groups"])
        self.gaussians = config.get("components", 1)
        self.features = config[f"{of}features"]
        self.hyper = config[f"{of}hyper"]
        self.density = config.get("density", "gaussian")
        order = config.get("order", "checkerboard")
        self.orders = orders_of(order, len(self.slices)) if isinstance(order, str) else order
        self.first_half = config.get("first_half", 0)
        if self.first_half:
            self.orders = ["checkerboard"] * len(self.slices)
        codes = {
            "F16": ("<f2", "e", 2),
            "I8": ("|i1", "b", 1),
            "I16": ("<i2", "h", 2),
            "I32": ("<i4", "i", 4),
        }
        self.tensors: dict[str, Tensor] = {}
        digest = hashlib.sha256()
        for name in sorted(described):
            if name.startswith(("graph.", "constant.")):
                continue
            entry = described[name]
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            shape = tuple(entry["shape"])
            kind, letter, width = codes[entry["dtype"]]
            digest.update(f"{name} {kind} {shape}\n".encode() + data[begin:end])
            prefix = f"prior.{part}." if part else "prior."
            if name.startswith(prefix):
                values = list(struct.unpack(f"<{(end - begin) // width}{letter}", data[begin:end]))
                self.tensors[name.removeprefix(prefix)] = shape, values
        self.weights_hash = digest.digest()
        text = f"({self.slices}, {self.gaussians}, 8"
        words = [word for word in RANKS if orders_of(word, len(self.slices)) == self.orders]
        if (self.density, *words[:1]) != ("gaussian", "checkerboard"):
            text += f", '{self.density}', {words[0] if words else tuple(self.orders)!r}"
        if self.first_half:
            text += f", {self.first_half}"
        digest = hashlib.sha256(f"{text})".encode())
        for name in sorted(self.tensors):
            shape, values = self.tensors[name]
            digest.update(f"{name}{shape}".encode() + struct.pack(f"<{len(values)}i", *values))
        self.prior_hash = digest.digest()

    def rows(self, name: str) -> list[list[int]]:
        (_, columns), values = self.tensors[name]
        return [values[i : i + columns] for i in range(0, len(values), columns)]


class RangeDecoder:
    """8.2"""

    def __init__(self, code: bytes):
        self.words: Iterator[int] = (word for (word,) in struct.iter_unpack("<I", code))
        self.lower, self.range = 0, STATE - 1
        self.point = self.word() * WORD
        self.point += self.word()

    def word(self) -> int:
        return next(self.words, 0)

    def symbol(self, counts: list[int]) -> int:
        scale = self.range >> 24
        target = (self.point - self.lower) % STATE // scale
        assert target < 1 << 24
        left = symbol = 0
        while target >= left + counts[symbol]:
            left += counts[symbol]
            symbol += 1
        self.lower = (self.lower + scale * left) % STATE
        self.range = scale * counts[symbol]
        if self.range < WORD:
            self.lower = self.lower * WORD % STATE
            self.range = self.range * WORD
            self.point = self.point * WORD % STATE + self.word()
        return symbol

    def escaped(self) -> int:
        zeros = 0
        while not self.symbol([1 << 23, 1 << 23]):
            zeros += 1
            assert zeros <= 26
        u = 1
        for _ in range(zeros):
            u = 2 * u + self.symbol([1 << 23, 1 << 23])
        return u // 2 if u % 2 else -(u // 2)

    def batch(self, tables: list[tuple[int, list[int]]]) -> list[int]:
        """8.4: tables are (first value, counts with the escape)."""
        symbols = [self.symbol(counts) for _, counts in tables]
        values = []
        for symbol, (first, counts) in zip(symbols, tables, strict=True):
            size = len(counts) - 1
            if symbol == size:
                number = self.escaped()
                symbol = number if number < 0 else number + size
            values.append(first + symbol)
        return values


def power_of_two(numerator: int, denominator: int) -> int:
    """floor(2^(numerator / denominator)), by halving an interval."""
    low, high = 1 << numerator // denominator, 2 << numerator // denominator
    while high - low > 1:
        middle = (low + high) // 2
        if middle**denominator <= 1 << numerator:
            low = middle
        else:
            high = middle
    return low


E = [power_of_two(j + 16 * 256, 256) for j in range(256)]
S = [power_of_two(i - 26 + 16 * 8, 8) for i in range(83)]
R = [(11 * s >> 17) + 2 for s in S]
LAPLACE_S = [power_of_two(i - 38 + 16 * 8, 8) for i in range(95)]
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")


@cache
def normal() -> list[int]:
    """The table of the normal distribution: 1/2 + density * (t + t^3/3 + t^5/(3 5) + ...)."""
    table = []
    with localcontext() as context:
        context.prec = 50
        for j in range(1025):
            t = Decimal(j) / 128
            total, term, n = Decimal(0), t, 1
            while term > Decimal("1e-30"):
                total += term
                n += 2
                term = term * t * t / n
            value = Decimal("0.5") + (-t * t / 2).exp() / (2 * PI).sqrt() * total
            table.append(int((value * 2**32).to_integral_value()))
    return table


@cache
def log2(n: int) -> int:
    return 4 * (((1 + min(n, 4095)) ** 256).bit_length() - 1)


def gained(x: int, e: int, s: int) -> int:
    d = clamp(s + 16 - (e >> 8), 1, 62)
    return (x * E[e % 256] + 2 ** (d - 1)) >> d


def row(table: list[list[int]], q: int) -> list[int]:
    a = min((q - 1000) // 1000, 6)
    f = q - 1000 - 1000 * a
    pairs = zip(table[a], table[a + 1], strict=True)
    return [(low * (1000 - f) + high * f + 500) // 1000 for low, high in pairs]


@cache
def laplace() -> list[int]:
    with localcontext() as context:
        context.prec = 50
        decays = [(-Decimal(2).sqrt() * j / 128).exp() for j in range(1025)]
        return [int(((1 - decay / 2) * 2**32).to_integral_value()) for decay in decays]


def distribution(b: int, s: int, density: str = "gaussian") -> int:
    t = min((abs(b) << 27) // s, 2**18 - 1)
    table = laplace() if density == "laplace" else normal()
    v = table[t >> 8] + ((table[(t >> 8) + 1] - table[t >> 8]) * (t & 255) >> 8)
    return 2**32 - v if b < 0 else v


def exponential(x: int) -> int:
    e = (1477 * x >> 10) >> 2
    return E[e % 256] >> -(e >> 8)


def give_largest(values: list[int], total: int) -> list[int]:
    values[values.index(max(values))] += total - sum(values)
    return values


def weights_of(logits: list[int]) -> list[int]:
    p = [exponential(max(x - max(logits), -16384)) for x in logits]
    return give_largest([(x << 16) // sum(p) for x in p], 1 << 16)


def counts_of(masses: list[int]) -> list[int]:
    free = 2**24 - len(masses) - 256
    return [*give_largest([1 + (m * free >> 32) for m in masses], 2**24 - 256), 256]


def mean_and_scale(m: int, log_scale: int, g: int, density: str) -> tuple[int, int]:
    mean = clamp(gained(m, g, 6), -(2**20), 2**20)
    if density == "laplace":
        return mean, clamp((log_scale + 4 * g + 4928) >> 7, 0, 94)
    return mean, clamp((log_scale + 4 * g + 3392) >> 7, 0, 82)


def scale(index: int, density: str) -> int:
    return LAPLACE_S[index] if density == "laplace" else S[index]


def reach(index: int, density: str) -> int:
    return (15 * scale(index, density) >> 17) + 2 if density == "laplace" else R[index]


@cache
def single_counts(index: int, fraction: int, density: str) -> list[int]:
    r = reach(index, density)
    edges = [16 * (k - r) - 8 - fraction for k in range(2 * r + 3)]
    at = [distribution(b, scale(index, density), density) for b in edges]
    return counts_of([after - before for before, after in zip(at, at[1:], strict=False)])


def single_table(mean: int, index: int, density: str) -> tuple[int, list[int]]:
    return (mean >> 4) - reach(index, density), single_counts(index, mean & 15, density)


def mixture_table(parts: list[tuple[int, int]], weights: list[int]) -> tuple[int, list[int]]:
    heavy = [part for part, weight in zip(parts, weights, strict=True) if weight >= 64]
    low = min((mean >> 4) - R[index] for mean, index in heavy)
    high = max((mean >> 4) + 1 + R[index] for mean, index in heavy)
    size = next((k for k in (4, 8, 16, 32, 64, 128, 256, 512, 1024) if k > high - low), 2048)
    first = (low + high + 1) // 2 - size // 2
    masses = [0] * size
    for (mean, index), weight in zip(parts, weights, strict=True):
        at = [distribution(16 * (first + k) - 8 - mean, S[index]) for k in range(size + 1)]
        for k in range(size):
            masses[k] += (at[k + 1] - at[k]) * weight >> 16
    return first, counts_of(masses)


def leaky(x: Map) -> Map:
    return {place: [max(v, v >> 3) for v in values] for place, values in x.items()}


def restored(v: int, g: int) -> int:
    return activation(gained(clamp(v, -(2**24), 2**24), -g, -10))


def shuffle(x: Map) -> Map:
    return {
        (2 * r + i, 2 * c + j): values[2 * i + j :: 4]
        for (r, c), values in x.items()
        for i, j in product(range(2), repeat=2)
    }


def context_input(y: list[Map], gain: list[int], places: list[tuple[int, int]]) -> Map:
    seen = {}
    for place in places:
        values = [channel.get(place, [0])[0] for channel in y]
        before_gain = [restored(v, g) for v, g in zip(values, gain, strict=True)]
        seen[place] = before_gain + [log2(abs(v)) for v in values]
    return seen


class TileDecoder:
    """8.5 and 8.6; 18"""

    def __init__(
        self,
        file: WeightFile,
        coder: RangeDecoder,
        height: int,
        width: int,
        quality: int,
        beside: Map | None = None,
        kind: int = 1,
    ):
        self.file, self.coder, self.quality = file, coder, quality
        self.beside = beside or {}
        self.kind = kind
        self.height, self.width = height, width

    def decode(self) -> tuple[list[Map], list[Map]]:
        """z and y, a list of channels each (maps of single values)."""
        z = self.hyper_latents() if self.kind == 1 else self.hyper_zeros()
        slices = self.file.slices
        places = [(r, c) for r in range(self.height) for c in range(self.width)]
        if self.kind == -1:
            return z, [dict.fromkeys(places, [0]) for _ in range(sum(slices))]
        features = self.features(z)
        gains = row(self.file.rows("log_gain"), self.quality)
        biases = self.file.rows("half_bias")
        y: list[Map] = []
        for index, (count, order) in enumerate(zip(slices, self.file.orders, strict=True)):
            gain = gains[len(y) : len(y) + count]
            channels: list[Map] = [{} for _ in range(count)]
            own, biases = biases[: BIASES[order]], biases[BIASES[order] :]
            for rank in sorted({RANKS[order](*place) for place in places}):
                base = features
                if rank:
                    found = self.context(f"contexts.{index}", channels, gain, places)
                    bias = own[min(rank, len(own)) - 1]
                    if 0 < self.file.first_half <= index:
                        before = [place for place in places if RANKS[order](*place) < rank]
                        told = self.told(index, y, context_input(channels, gain, before), places)
                        found = {
                            place: [a + b for a, b in zip(values, told[place], strict=True)]
                            for place, values in found.items()
                        }
                    base = self.added(features, found, bias)
                step = [place for place in places if RANKS[order](*place) == rank]
                self.step(index, base, step, gain, channels)
            if index < len(slices) - 1:
                name = "contexts" if order in ("checkerboard", "four-step") else "wholes"
                found = self.context(f"{name}.{index}", channels, gain, places)
                features = self.added(features, found, [0] * self.file.features)
            y += channels
        return z, y

    def told(self, index: int, y: list[Map], seen: Map, places: list[tuple[int, int]]) -> Map:
        """8.6, similar positions"""
        half = y[: sum(self.file.slices[: self.file.first_half])]
        keys = {}
        for place in places:
            values = [channel[place][0] for channel in half]
            keys[place] = [(1 if v > 0 else -1) * (log2(abs(v)) >> 6) for v in values]
        found = {}
        for place in places:
            a = keys[place]
            alike = []
            for other in seen:
                b = keys[other]
                energy = sum(map(prod, zip(a, a, strict=True))) + sum(v * v for v in b) + 1024
                alike.append((-(512 * sum(map(prod, zip(a, b, strict=True))) // energy), other))
            weights = [(max(-negative, 0), other) for negative, other in sorted(alike)[:4]]
            total, best = max(sum(w * w for w, _ in weights), 1), weights[0][0]
            maps = zip(*([w * w * v for v in seen[other]] for w, other in weights), strict=True)
            found[place] = [*((sum(values) // total) * best >> 8 for values in maps), 4 * best]
        return self.layer(f"globals.{index}", found)

    def hyper_latents(self) -> list[Map]:
        gains = row(self.file.rows("hyper_log_gain"), self.quality)
        means, scales, logits = (
            list(zip(*self.file.rows(f"hyper_{name}"), strict=True))
            for name in ("mean", "log_scale", "logit")
        )
        places = self.hyper_places()
        tables = []
        for c, gain in enumerate(gains):
            parts = [mean_and_scale(means[c][j], scales[c][j], gain, "gaussian") for j in range(3)]
            tables += [mixture_table(parts, weights_of(list(logits[c])))] * len(places)
        values = iter(self.coder.batch(tables))
        return [{place: [next(values)] for place in places} for _ in gains]

    def hyper_places(self) -> list[tuple[int, int]]:
        return list(product(range(-(-self.height // 4)), range(-(-self.width // 4))))

    def hyper_zeros(self) -> list[Map]:
        count = len(self.file.rows("hyper_mean")[0])
        return [dict.fromkeys(self.hyper_places(), [0]) for _ in range(count)]

    def features(self, z: list[Map]) -> Map:
        gains = row(self.file.rows("hyper_log_gain"), self.quality)
        x = {
            place: [restored(channel[place][0], g) for channel, g in zip(z, gains, strict=True)]
            for place in z[0]
        }
        x = leaky(shuffle(self.layer("hyper_synthesis.up1", x)))
        x = leaky(shuffle(self.layer("hyper_synthesis.up2", x)))
        if "hyper_synthesis.attention.merge.weight" in self.file.tensors:
            x = self.attention(x)
        bias = row(self.file.rows("quality_bias"), self.quality)
        x = self.layer("hyper_synthesis.out", x)
        x = {(r, c): v for (r, c), v in x.items() if r < self.height and c < self.width}
        beside = self.layer("beside", self.beside) if self.beside else {}
        return self.added(x, beside, bias)

    @staticmethod
    def added(x: Map, other: Map, bias: list[int]) -> Map:
        zero = [0] * len(bias)
        return {
            place: [
                activation(a + b + c)
                for a, b, c in zip(values, other.get(place, zero), bias, strict=True)
            ]
            for place, values in x.items()
        }

    def layer(self, name: str, x: Map) -> Map:
        (outputs, inputs, kernel, _), weight = self.file.tensors[f"{name}.weight"]
        bias = self.file.tensors[f"{name}.bias"][1]
        reach = kernel // 2
        window = list(product(range(-reach, reach + 1), repeat=2))
        nothing = [0] * inputs
        result = {}
        for r, c in x:
            near = [x.get((r + i, c + j), nothing) for i, j in window]
            column = [values[channel] for channel in range(inputs) for values in near]
            result[r, c] = [
                activation(
                    (sum(map(prod, zip(weight[o * len(column) :], column, strict=False))))
                    + bias[o]
                    + 2048
                    >> 12
                )
                for o in range(outputs)
            ]
        return result

    def attention(self, x: Map) -> Map:
        channels = self.file.features
        query, key, value = (
            self.layer(f"hyper_synthesis.attention.{name}", x) for name in ("query", "key", "value")
        )
        nothing = [0] * channels
        shift = 10 + (channels - 1).bit_length() // 2

        def line(place: tuple[int, int], along: Callable[[int], tuple[int, int]]) -> list[int]:
            places = [along(i) for i in range(8)]
            scores = [
                sum(map(prod, zip(query[place], key.get(p, nothing), strict=True))) >> shift
                for p in places
            ]
            p = [exponential(max(score - max(scores), -16384)) for score in scores]
            values = [value.get(place, nothing) for place in places]
            return [
                (sum(a * v[c] for a, v in zip(p, values, strict=True)) + sum(p) // 2) // sum(p)
                for c in range(channels)
            ]

        merged = {}
        for r, c in x:
            across = line((r, c), lambda i, r=r, c=c: (r, c // 8 * 8 + i))  # type: ignore[misc]
            down = line((r, c), lambda i, r=r, c=c: (r // 8 * 8 + i, c))  # type: ignore[misc]
            pairs = list(zip(down, across, strict=True))
            products = [activation(v * h + 512 >> 10) for v, h in pairs]
            merged[r, c] = [*down, *across, *products, *map(max, pairs)]
        merged = self.layer("hyper_synthesis.attention.merge", merged)
        result = {}
        for r, c in x:
            near = [merged.get((r + i, c + j), nothing) for i, j in product((-1, 0, 1), repeat=2)]
            result[r, c] = []
            for channel, value_here in enumerate(x[r, c]):
                n = (2 * sum(v[channel] for v in near) + 9) // 18
                p = exponential(max(-abs(n), -16384))
                gate = ((2**16 if n >= 0 else p) << 17) // (2**16 + p)
                result[r, c].append(activation(value_here * gate + 2**15 >> 16))
        return result

    def context(
        self, name: str, y: list[Map], gain: list[int], places: list[tuple[int, int]]
    ) -> Map:
        return self.layer(name, context_input(y, gain, places))

    def step(
        self,
        index: int,
        base: Map,
        places: list[tuple[int, int]],
        gain: list[int],
        y: list[Map],
    ) -> None:
        """Decode the latents of a slice at some positions into y."""
        x = {place: base[place] for place in places}
        for number in range(3):
            x = self.layer(f"heads.{index}.layers.{number}", leaky(x))
        listed = []
        for channel, g in enumerate(gain):
            for place in places:
                out = x[place][channel :: len(gain)]
                n = self.file.gaussians
                density = self.file.density
                parts = [mean_and_scale(out[j], out[n + j], g, density) for j in range(n)]
                if n == 1:
                    mean, scale = parts[0]
                    number = 16 * scale + (mean & 15)
                    table = single_table(mean, scale, density)
                else:
                    table = mixture_table(parts, weights_of(out[2 * n :]))
                    number = len(table[1]) - 1
                listed.append((number, channel, place, table))
        listed.sort(key=lambda entry: entry[0])
        while listed:
            number = listed[0][0]
            if self.file.gaussians == 1:
                batch, listed = listed, []
            else:
                run = [entry for entry in listed if entry[0] == number][: 2**20 // number]
                batch, listed = run, listed[len(run) :]
            values = self.coder.batch([table for *_, table in batch])
            for (_, channel, place, _), value in zip(batch, values, strict=True):
                y[channel][place] = [value]


def plain_coefficients(code: bytes, rows: int, columns: int, colours: int) -> list[list[list[int]]]:
    """9.1: for each block, row by row, for each colour, 64 coefficients."""
    coder = RangeDecoder(code)
    blocks = [[[0] * 64 for _ in range(colours)] for _ in range(rows * columns)]
    slope = offset = 0
    known: list[int] = []
    for number in sorted(range(64), key=lambda k: (k // 8 + k % 8, k // 8)):
        away = {k: abs(k // 8 - number // 8) + abs(k % 8 - number % 8) for k in known}
        near = [(k, 2 ** (3 - d)) for k, d in away.items() if d <= 3]
        for colour in range(colours):
            slope, offset = slope + coder.escaped(), offset + coder.escaped()
            listed = []
            for place, block in enumerate(blocks):
                n = sum(weight * min(abs(block[colour][k]), 4095) for k, weight in near)
                n += sum(4 * min(abs(before[number]), 4095) for before in block[:colour])
                listed.append((clamp((slope * log2(min(n, 4095)) >> 8) + offset, 0, 82), place))
            listed.sort(key=lambda entry: entry[0])
            values = coder.batch([single_table(0, index, "gaussian") for index, _ in listed])
            for (_, place), value in zip(listed, values, strict=True):
                blocks[place][colour][number] = value
        known.append(number)
    for place in range(1, len(blocks)):
        neighbour = blocks[place - 1] if place % columns else blocks[place - columns]
        for colour in range(colours):
            blocks[place][colour][0] += neighbour[colour][0]
    return blocks


def coefficient_hash(blocks: list[list[list[int]]]) -> int:
    """9.1"""
    values = [value for block in blocks for colour in block for value in colour]
    return zlib.crc32(struct.pack(f"<{len(values)}i", *values))


def latent_hash(z: list[Map], y: list[Map]) -> int:
    """8.7"""
    values = [channel[place][0] for channel in z + y for place in sorted(channel)]
    return zlib.crc32(struct.pack(f"<{len(values)}i", *values))
