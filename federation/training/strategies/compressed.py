"""FedAvg with compressed moves: a part of the parameters in each round, and few bits for each of their moves.

Layer:       federation.training.strategies.compressed, above fedavg. Pure integers.
Terms:       the *mask* of a round names the parameters that move in it: ``keep`` of all, drawn by a hash from the number of
             rounds opened so far, the same in every run. The *range* is the largest move that can be sent; it follows
             from the last opened moves. A move is one of ``2 L + 1`` levels, ``L = 2^(bits - 1) - 1``.
Guarantees:  mask and range are public numbers. Local steps move the mask alone, so that what is not sent was never
             computed, and nothing is kept for a later round (no error feedback). Without noise a move is rounded at
             random to one of the two levels beside it, in the mean exactly, by a hash of the site's own sums; with an
             epsilon it is truncated toward zero. The sums have their full noise before, as in ``fedavg``, so a mask or
             a rounding neither costs nor saves epsilon. The size of a site's steps is sent whole, in digits.
See instead: the bytes that remain (``--explain``).
Source:      Konecny and others, 2016, Federated Learning: Strategies for Improving Communication Efficiency (random
             mask); Alistarh and others, QSGD, NeurIPS 2017 (random rounding); docs/guarantees.md P13, form (b).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Final

from federation.training.optimizer import MODEL_BITS, within
from federation.training.options import Option
from federation.training.strategies.fedavg import FedAvg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.training.optimizer import Descent
    from federation.training.strategies.base import ClippedSums, RunShape

_MASK: Final = b"crossward/mask/1\n"
_ROUNDING: Final = b"crossward/rounding/1\n"
_WORD_BYTES: Final = 8
_WORD: Final = 1 << 64
_SIZE_BITS: Final = 62
_LEAST_RANGE: Final = 1 << 12
_WIDER: Final = 4


class Compressed(FedAvg):
    """FedAvg that sends few bits of a part of the moves in each round."""

    name: ClassVar[str] = "compressed"
    sends_loss: ClassVar[bool] = False
    options: ClassVar[Mapping[str, Option]] = {
        **FedAvg.options,
        "bits": Option(default=6, lowest=2, highest=16),
        "keep": Option(default=Fraction(1, 2), lowest=Fraction(1, 1000), highest=Fraction(1), is_whole=False),
    }

    def length(self, shape: RunShape) -> int:
        """Return the number of moves that are sent, and of the digits of the size."""
        return _n_kept(shape) + _n_digits(shape)

    def half_range(self, shape: RunShape, sigma2: int) -> int:
        """Return L."""
        del sigma2
        return _levels(shape)

    def pulled(self, shape: RunShape, state: Descent, parameters: tuple[int, ...]) -> tuple[int, ...]:
        """Move the mask alone."""
        moved = list(state.parameters)
        for place in mask_of(shape, state.n_steps):
            moved[place] = parameters[place]
        return tuple(moved)

    def local_update(
        self, shape: RunShape, state: Descent, sums: ClippedSums, kept: Any
    ) -> tuple[Sequence[int], Any]:
        """Take the local steps; send the levels of the moves, and the digits of the size."""
        moves, size, seen = self.moved(shape, state, sums)
        largest, levels, places = _range_of(shape, state), _levels(shape), mask_of(shape, state.n_steps)
        drawn = _words(_ROUNDING + repr((state.n_steps, seen)).encode(), len(places))
        sent = []
        for place, word in zip(places, drawn, strict=True):
            scaled = abs(moves[place]) * levels * _WORD // largest
            whole = (scaled + (0 if shape.is_private else word)) // _WORD
            sent.append(min(levels, whole) * (1 if moves[place] >= 0 else -1))
        return [*sent, *_digits(size, levels + 1, _n_digits(shape))], kept

    def next(self, shape: RunShape, state: Descent, total: Sequence[int]) -> Descent:
        """Move the mask by the mean of the moves; the next range follows from the largest of them."""
        places, levels = mask_of(shape, state.n_steps), _levels(shape)
        moves, digits = total[: len(places)], total[len(places) : self.length(shape)]
        unit = Fraction(_range_of(shape, state), levels * shape.n_sites)
        moved, largest = list(state.parameters), 0
        for place, level in zip(places, moves, strict=True):
            move = round(unit * level)
            moved[place], largest = within(moved[place] + move), max(largest, abs(move))
        size = (
            max(0, sum(digit * (levels + 1) ** place for place, digit in enumerate(digits))) // shape.n_sites
        )
        return replace(
            state,
            parameters=tuple(moved),
            squares=state.squares + size * size,
            move_range=max(_LEAST_RANGE, _WIDER * largest),
            n_steps=state.n_steps + 1,
        )

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        return (
            f"{super().step_sentence(shape)}; {_n_kept(shape)} of {shape.size} parameters move in a round, "
            f"each by one of {2 * _levels(shape) + 1} levels"
        )


def mask_of(shape: RunShape, n_steps: int) -> list[int]:
    """Return the places of the parameters that move after so many rounds, rising.

    Args:
        shape: of the run.
        n_steps: rounds opened so far.
    """
    words = _words(_MASK + f"{n_steps} {shape.size}".encode(), shape.size)
    order = sorted(range(shape.size), key=lambda place: (words[place], place))
    return sorted(order[: _n_kept(shape)])


def _n_kept(shape: RunShape) -> int:
    return max(1, math.ceil(shape.size * Fraction(shape.options["keep"])))


def _levels(shape: RunShape) -> int:
    return (1 << int(shape.options["bits"]) - 1) - 1


def _n_digits(shape: RunShape) -> int:
    """Return how many digits hold any size, in base ``L + 1``."""
    return -(-_SIZE_BITS // (int(shape.options["bits"]) - 1))


def _digits(value: int, base: int, n_digits: int) -> list[int]:
    found = []
    for _ in range(n_digits):
        value, digit = divmod(value, base)
        found.append(digit)
    return found


def _range_of(shape: RunShape, state: Descent) -> int:
    """Return the largest move that can be sent, in units of ``2**-32``: at first that of even steps, widened."""
    if state.move_range:
        return state.move_range
    steps = shape.rule.learning_rate * int(shape.options["local_epochs"]) * _WIDER
    return max(_LEAST_RANGE, int(steps * (1 << MODEL_BITS) / math.isqrt(shape.size)))


def _words(seed: bytes, n_words: int) -> list[int]:
    """Return integers from 0 to 2^64, drawn by a hash."""
    stream = hashlib.shake_256(seed).digest(_WORD_BYTES * n_words)
    starts = range(0, len(stream), _WORD_BYTES)
    return [int.from_bytes(stream[begin : begin + _WORD_BYTES], "little") for begin in starts]
