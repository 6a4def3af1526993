"""The text of a question: bounded, cut into tokens, with every node's position.

Layer:       analytics.sql, the lowest that knows sqlglot.
Guarantees:  a position is ``line:column``, both from 1, of the first character of what is meant.
Source:      ours; token offsets are sqlglot's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import TokenError

from analytics.errors import PlanRejectedError

if TYPE_CHECKING:
    from sqlglot.tokens import Token  # type: ignore[attr-defined]  # not in its __all__

MAX_CHARACTERS = 10_000
MAX_TOKENS = 1_000
_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionText:
    """A question as written.

    Attributes:
        text: the characters.
        tokens: what sqlglot's DuckDB tokenizer makes of them.
    """

    text: str
    tokens: tuple[Token, ...]

    @classmethod
    def read(cls, text: str) -> QuestionText:
        """Cut a text into tokens.

        Args:
            text: one question in SQL.

        Returns:
            The text with its tokens.

        Raises:
            PlanRejectedError: empty, too long, or not even tokens.
        """
        if len(text) > MAX_CHARACTERS:
            raise PlanRejectedError(position="1:1", reason=f"longer than {MAX_CHARACTERS} characters")
        if not _is_unicode(text):
            raise PlanRejectedError(position="1:1", reason="this is not Unicode text")
        try:
            tokens = tuple(DuckDB().tokenize(text))
        except TokenError as error:
            raise PlanRejectedError(
                position=_place(text, len(text)), reason="the text ends inside a quotation or comment"
            ) from error
        if not tokens:
            raise PlanRejectedError(position="1:1", reason="the question is empty")
        if len(tokens) > MAX_TOKENS:
            place = _place(text, tokens[MAX_TOKENS].start)
            raise PlanRejectedError(position=place, reason=f"longer than {MAX_TOKENS} words and signs")
        return cls(text=text, tokens=tokens)

    def words(self) -> list[str]:
        """The text of each token, in capitals."""
        return [self.text[token.start : token.end + 1].upper() for token in self.tokens]

    def place(self, offset: int) -> str:
        """Position of a character offset."""
        return _place(self.text, offset)

    def keyword(self, word: str) -> str | None:
        """Position of the first bare word of this spelling outside quotation marks, or None."""
        for token in self.tokens:
            if self.text[token.start : token.end + 1].upper() == word:
                return self.place(token.start)
        return None

    def position(self, node: exp.Expr) -> str:
        """Position of a node: of its first token, or of the nearest node around it that has one."""
        around: exp.Expr | None = node
        while around is not None:
            starts = [found.meta["start"] for found in around.walk() if "start" in found.meta]
            if starts:
                first = min(starts)
                nameless = isinstance(around, exp.AggFunc) and "start" not in around.meta
                return self.place(self._name_before(first) if nameless else first)
            around = around.parent
        return "1:1"

    def _name_before(self, offset: int) -> int:
        """Where the function's name stands whose first argument begins here; sqlglot does not keep all."""
        number = [token.start for token in self.tokens].index(offset)
        opened = number > 1 and self.text[self.tokens[number - 1].start] == "("
        return int(self.tokens[number - 2].start) if opened else offset

    def refusal(self, node: exp.Expr, reason: str, hint: str = "") -> PlanRejectedError:
        """The error that refuses a node with its name and place; for the caller to raise."""
        return PlanRejectedError(position=self.position(node), reason=reason, hint=hint)

    def select_items(self) -> list[str]:
        """The text of each item between SELECT and FROM, white space collapsed."""
        depth, pieces, first = 0, [], 1
        for number, word in enumerate(self.words()):
            if depth == 0 and word in {",", "FROM"}:
                if number > first:
                    start, end = self.tokens[first].start, self.tokens[number - 1].end + 1
                    pieces.append(" ".join(self.text[start:end].split()))
                if word == "FROM":
                    break
                first = number + 1
            depth += (word in _OPENING) - (word in _CLOSING)
        return pieces


def _is_unicode(text: str) -> bool:
    """Whether it has no half of a surrogate pair, which no file and no wire can hold."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _place(text: str, offset: int) -> str:
    before = text[:offset]
    return f"{before.count(chr(10)) + 1}:{offset - (before.rfind(chr(10)) + 1) + 1}"
