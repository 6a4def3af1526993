"""Raises ciphertexts to the two powers that decryption needs, in this process or in several.

Layer:       federation.paillier.powers, above ``child_process``; at the key holder alone.
Guarantees:  either all powers of all ciphertexts come back or none: a child that ends early, or takes longer than the
             limit, ends every child, and the error says nothing of a plaintext. Every child has ended when ``raised``
             returns, and with it its copy of the key.
See instead: the checks of the powers (``decrypt``). Threads do not help: a power holds the interpreter's lock.
"""

from __future__ import annotations

import itertools
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import gmpy2

from federation.errors import SiteUnavailableError
from federation.paillier.child_process import end_child, start_child

if TYPE_CHECKING:
    from collections.abc import Sequence

CHILD: Final = "federation.paillier.power_process"
KEY_HOLDER: Final = "the key holder"
# a child costs about as much as seven ciphertexts at 3072 bits
LEAST_EACH: Final = 24
_START_LIMIT_S: Final = 60.0
_LIMIT_EACH_S: Final = 2.0

Pair = tuple[int, int]


def raised(values: Sequence[int], pairs: tuple[Pair, Pair], *, processes: int) -> list[Pair]:
    """Raise every value to two powers.

    Visible to: the key holder.
    Cost: at 3072 bits and full exponents about 7 ms a value, of each of two cores; a child process takes about 20 MiB.

    Args:
        values: checked ciphertexts.
        pairs: twice a modulus and an exponent; both are secret.
        processes: most processes to use; 1 computes in this one.

    Returns:
        Two powers a value, in the order of the values.

    Raises:
        SiteUnavailableError: a child ended early or did not end in time.
    """
    parts = min(processes, len(values) // LEAST_EACH)
    if parts <= 1:
        (modulus_p, exponent_p), (modulus_q, exponent_q) = pairs
        return [
            (gmpy2.powmod(value, exponent_p, modulus_p), gmpy2.powmod(value, exponent_q, modulus_q))
            for value in values
        ]
    bounds = [len(values) * part // parts for part in range(parts + 1)]
    pieces = [values[start:end] for start, end in itertools.pairwise(bounds)]
    children: list[subprocess.Popen[bytes]] = []
    try:
        children.extend(start_child(CHILD) for _ in pieces)
        with ThreadPoolExecutor(max_workers=parts, thread_name_prefix="powers") as threads:
            tasks = [
                threads.submit(_asked, child, piece, pairs)
                for child, piece in zip(children, pieces, strict=True)
            ]
            try:
                return [power for task in tasks for power in task.result()]
            except BaseException:
                for child in children:  # so that no thread waits for one any longer
                    child.kill()
                raise
    finally:
        for child in children:
            end_child(child)


def _asked(child: subprocess.Popen[bytes], values: Sequence[int], pairs: tuple[Pair, Pair]) -> list[Pair]:
    """Have one child raise its part."""
    width = max((value.bit_length() + 7) // 8 for value in values)
    head = {
        "count": len(values),
        "width": width,
        "pairs": [[f"{modulus:x}", f"{exponent:x}"] for modulus, exponent in pairs],
    }
    question = [json.dumps(head).encode("ascii"), b"\n", *(int(v).to_bytes(width, "big") for v in values)]
    try:
        answer, _ = child.communicate(
            b"".join(question), timeout=_START_LIMIT_S + _LIMIT_EACH_S * len(values)
        )
    except (subprocess.TimeoutExpired, OSError):
        answer = b""
    widths = [(modulus.bit_length() + 7) // 8 for modulus, _ in pairs]
    if child.returncode != 0 or len(answer) != len(values) * sum(widths):
        # from no other error: that of the pipe would carry the question along
        raise SiteUnavailableError(
            site=KEY_HOLDER, reason="a process that opens the sum ended early: the attempt is spent"
        ) from None
    split = [
        (answer[start : start + widths[0]], answer[start + widths[0] : start + sum(widths)])
        for start in range(0, len(answer), sum(widths))
    ]
    return [(gmpy2.mpz.from_bytes(one, "big"), gmpy2.mpz.from_bytes(other, "big")) for one, other in split]
