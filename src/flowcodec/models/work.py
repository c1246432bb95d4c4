"""What a network costs: parameters, and multiply-adds, counted on the meta device."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from flowcodec.entropy.order import RANKINGS, steps_of
from flowcodec.nn.order import LATER
from flowcodec.nn.prior import Prior

HEIGHT, WIDTH = 512, 768  # a Kodak picture: what costs are counted over


@dataclass(frozen=True)
class Work:
    """Parameters, and thousands of multiply-adds per pixel by what they are for.

    Of a codec: "analysis" is g_a and h_a; "prior" is h_s, contexts and heads, in integers, the same
    for both ways; "synthesis" is g_s. closed: an encoder synthesises too, since the next frame is
    predicted from the result.
    """

    parameters: int
    kmac: dict[str, float]
    closed: bool = False

    @property
    def encode(self) -> float:
        """Pixels to code. Where it is not `closed`, measuring the result costs a synthesis more."""
        kmac = self.kmac
        return kmac["analysis"] + kmac["prior"] + (kmac["synthesis"] if self.closed else 0)

    @property
    def decode(self) -> float:
        """Code to pixels."""
        return self.kmac["prior"] + self.kmac["synthesis"]

    def as_json(self) -> dict[str, object]:
        """For model cards."""
        both = {}
        if "prior" in self.kmac:
            both = {"encode": self.encode, "decode": self.decode}
        kmac = {name: round(value, 2) for name, value in {**both, **self.kmac}.items()}
        return {"parameters": self.parameters, "kmac_per_pixel": kmac}


class Counter:
    """Thousands of multiply-adds per pixel of the blocks that it counts."""

    def __init__(self) -> None:
        self._counter = FlopCounterMode(display=False)

    def counting(self) -> AbstractContextManager[Any]:
        """A block to count."""
        return self._counter

    @property
    def kmac(self) -> float:
        """So far."""
        return float(self._counter.get_total_flops()) / 2000 / (HEIGHT * WIDTH)


def written_out() -> AbstractContextManager[Any]:
    """A block in which attention is matrix products, which are counted on every device."""
    return sdpa_kernel(SDPBackend.MATH)


def parameters_of(network: nn.Module) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def unused(prior: Prior, stride: int) -> float:
    """Training runs a context over the whole map for each rank of positions, and for what the whole
    slice tells; coding makes each product once, and none with what is not known yet. In thousands
    of multiply-adds per pixel; stride: pixels a side that a latent stands for."""
    config = prior.config
    total = 0.0
    for index, order in enumerate(config.orders):
        if order == "one-step":
            continue
        taps = RANKINGS[order].kernel ** 2
        steps = steps_of(order, HEIGHT // stride, WIDTH // stride)
        if str(index) in prior.globals:
            later = 1 - len(steps[0].positions) / sum(len(step.positions) for step in steps)
            weights = prior.get_parameter(f"globals.{index}.weight").numel()
            total += weights * (LATER[order] - later)
        known = sum(len(step.seen) * len(step.positions) for step in steps)
        tells = RANKINGS[order].around and index + 1 < len(config.orders)
        made = taps if tells else known / sum(len(step.positions) for step in steps)
        weights = prior.get_parameter(f"contexts.{index}.weight").numel()
        total += weights * (LATER[order] + tells - made / taps)
    return total / 1000 / stride**2
