"""LIKE, in time that is linear in the text.

Layer:       analytics.sql beside text.
Terms:       ``%`` stands for any characters, also none, ``_`` for exactly one, every other sign for itself.
Guarantees:  each character of a text is looked at once, whatever the pattern: no backtracking.
Source:      Baeza-Yates, Gonnet, "A new approach to text searching", CACM 35(10), 1992 (states as bits); that a ``%``
             keeps its state is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

_ANY, _ONE = "%", "_"


@dataclass(frozen=True, slots=True)
class Wildcards:
    """A pattern ready to match.

    State ``k`` says that the first ``k`` signs (without ``%``) match what was read so far.

    Attributes:
        moves: by character, the states that it leads out of.
        others: the same for a character that the pattern does not name.
        kept: the states before a ``%``, which any character keeps.
        final: the state in which the whole pattern matches.
    """

    moves: dict[str, int]
    others: int
    kept: int
    final: int

    @classmethod
    def of(cls, pattern: str) -> Wildcards:
        """Read a pattern.

        Args:
            pattern: any text.

        Returns:
            What matches it.
        """
        state, kept, others = 1, 0, 0
        named: dict[str, int] = {}
        for sign in pattern:
            if sign == _ANY:
                kept |= state
                continue
            if sign == _ONE:
                others |= state
            else:
                named[sign] = named.get(sign, 0) | state
            state <<= 1
        moves = {sign: states | others for sign, states in named.items()}
        return cls(moves=moves, others=others, kept=kept, final=state)

    def match(self, text: str) -> bool:
        """Whether a whole text matches.

        Args:
            text: any.

        Returns:
            True where it does.
        """
        if len(text) < self.final.bit_length() - 1:
            return False  # fewer characters than signs that need one
        states = 1
        for character in text:
            states = (states & self.moves.get(character, self.others)) << 1 | states & self.kept
            if not states:
                return False
        return bool(states & self.final)
