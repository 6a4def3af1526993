"""The child of an obfuscator pool: draws obfuscators and hands each over once.

Layer:       federation.paillier.obfuscator_process, above ``obfuscators``; runs as a program, started by
             ``obfuscator_pool``.
Shapes:      in: one line of JSON, ``n``, ``base`` (hex) and ``exponent_bytes``. Out: obfuscators of fixed width, big
             end first, without end; the child waits while the pipe is full.
Guarantees:  an obfuscator is written once and not kept.
"""

from __future__ import annotations

import json
import sys

from federation.paillier.child_process import begin_as_child, write_all
from federation.paillier.obfuscators import ObfuscatorSource, Recipe
from federation.paillier.validation import ciphertext_bytes


def main() -> None:
    """Draw until the reader is gone."""
    begin_as_child(is_background=True)
    fields = json.loads(sys.stdin.buffer.readline())
    recipe = Recipe(
        n=int(fields["n"], 16), base=int(fields["base"], 16), exponent_bytes=int(fields["exponent_bytes"])
    )
    source, width = ObfuscatorSource(recipe), ciphertext_bytes(recipe.n)
    source.build_table()
    while write_all(1, int(source.draw()).to_bytes(width, "big")):
        pass


if __name__ == "__main__":
    main()
