"""Reads the FHIRPath subset; what is beyond it is refused by its name and place.

Layer:       analytics.sources.formats.fhir.parser, above path and tokens.
Guarantees:  an expression is read whole or refused: no part of it is passed over. Its depth is bounded.
Source:      FHIRPath (Normative Release), "Operator Precedence" and grammar; SQL on FHIR v2, "ViewDefinition".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.sources.formats.fhir import tokens, types
from analytics.sources.formats.fhir.path import Binary, Call, Index, Literal, Member, This
from analytics.sources.formats.fhir.tokens import PathError, Token, tokens_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.sources.formats.fhir.path import Path

FUNCTIONS: Final = {
    "where": (1, 1),
    "exists": (0, 1),
    "empty": (0, 0),
    "not": (0, 0),
    "first": (0, 0),
    "ofType": (1, 1),
    "join": (0, 1),
    "extension": (1, 1),
    "getResourceKey": (0, 0),
    "getReferenceKey": (0, 1),
}
_LEVELS: Final = (("or",), ("and",), ("=", "!="), ("<", "<=", ">", ">="))
_REFUSED: Final = frozenset(
    {"xor", "implies", "in", "contains", "is", "as", "div", "mod", "|", "~", "!~", "+", "-", "*", "/", "&"}
)
_LITERALS: Final = {
    tokens.STRING: types.TEXT,
    tokens.NUMBER: types.NUMBER,
    tokens.TEMPORAL: types.TEMPORAL,
}
_MOST_CHARACTERS: Final = 4_000
_MOST_DEPTH: Final = 24
_MOST_WORDS: Final = 600  # each can be a level of the tree, and of the statement
_MOST_PLACE: Final = 1_000_000


def parsed(text: str, constants: Mapping[str, Literal]) -> Path:
    """Read an expression.

    Args:
        text: the expression.
        constants: of the ViewDefinition, by name.

    Returns:
        Its tree, with constants replaced by their values.

    Raises:
        PathError: it is no FHIRPath, or beyond the subset.
    """
    if len(text) > _MOST_CHARACTERS:
        raise PathError(0, f"an expression has at most {_MOST_CHARACTERS} characters")
    words = tokens_of(text)
    if len(words) > _MOST_WORDS:
        raise PathError(0, f"an expression has at most {_MOST_WORDS} words and signs")
    reader = _Reader(words, constants)
    found = reader.expression(0)
    reader.expect_end()
    return found


class _Reader:
    def __init__(self, found: list[Token], constants: Mapping[str, Literal]) -> None:
        self._tokens, self._constants = found, constants
        self._next = self._depth = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += 1
        return token

    def _is(self, text: str) -> bool:
        token = self._token
        return token.kind in {tokens.SIGN, tokens.NAME} and token.text == text and not token.is_quoted

    def _expect(self, text: str) -> Token:
        if not self._is(text):
            raise PathError(self._token.at, f"{text} is missing before {self._token.text}")
        return self._take()

    def expect_end(self) -> None:
        """Refuse what follows an expression."""
        token = self._token
        if token.kind == tokens.END:
            return
        if token.text in _REFUSED and not token.is_quoted:
            raise PathError(token.at, f"the operator {token.text} is not supported")
        raise PathError(token.at, f"{token.text} cannot follow here")

    def expression(self, level: int) -> Path:
        """An expression of operators from a level of precedence on."""
        if level == len(_LEVELS):
            return self._operand()
        if level == 0:
            self._depth += 1
            if self._depth > _MOST_DEPTH:
                raise PathError(self._token.at, f"brackets within brackets: {_MOST_DEPTH} at most")
        left = self.expression(level + 1)
        while any(self._is(sign) for sign in _LEVELS[level]):
            sign = self._take()
            left = Binary(sign.at, sign.text, left, self.expression(level + 1))
        if level == 0:
            self._depth -= 1
        return left

    def _operand(self) -> Path:
        found = self._first()
        while True:
            if self._is("."):
                self._take()
                found = self._step(found, self._take())
            elif self._is("["):
                at = self._take().at
                found = Index(at, found, self._place())
                self._expect("]")
            else:
                return found

    def _place(self) -> int:
        found = self._first()
        is_whole = isinstance(found, Literal) and found.kind == types.NUMBER and found.text.isdigit()
        if not is_whole or int(found.text) > _MOST_PLACE:  # type: ignore[union-attr]  # is_whole says so
            raise PathError(found.at, "between [ and ] stands a whole number, or a constant that is one")
        return int(found.text)  # type: ignore[union-attr]

    def _first(self) -> Path:
        token = self._take()
        if token.kind in _LITERALS:
            return Literal(token.at, _LITERALS[token.kind], token.text)
        if token.kind == tokens.CONSTANT:
            return self._constant(token)
        if token.text == "-" and self._token.kind == tokens.NUMBER:
            number = self._take()
            return Literal(token.at, types.NUMBER, f"-{number.text}")
        if token.text == "(" and token.kind == tokens.SIGN:
            found = self.expression(0)
            if not self._is(")"):
                self._refuse_operator()
            self._expect(")")
            return found
        if token.kind == tokens.NAME and not token.is_quoted:
            if token.text in {"true", "false"}:
                return Literal(token.at, types.FLAG, token.text)
            if token.text == "$this":
                return This(token.at)
        return self._step(This(token.at), token)

    def _refuse_operator(self) -> None:
        if self._token.text in _REFUSED and self._token.kind != tokens.STRING and not self._token.is_quoted:
            raise PathError(self._token.at, f"the operator {self._token.text} is not supported")

    def _constant(self, token: Token) -> Literal:
        known = self._constants.get(token.text)
        if known is None:
            reason = f"there is no constant {token.text}"
            if token.text in {"rowIndex", "resource", "rootResource", "context", "ucum"}:
                reason = f"%{token.text} is not supported"
            raise PathError(token.at, reason)
        return Literal(token.at, known.kind, known.text)

    def _step(self, base: Path, token: Token) -> Path:
        if token.kind != tokens.NAME or (token.text in _REFUSED and not token.is_quoted):
            is_operator = token.kind != tokens.STRING and token.text in _REFUSED
            what = (
                f"the operator {token.text} is not supported"
                if is_operator
                else f"{token.text} is no element"
            )
            raise PathError(token.at, "an expression ends too early" if token.kind == tokens.END else what)
        if token.text.startswith("$"):
            raise PathError(token.at, f"{token.text} cannot follow here")
        if self._is("(") and not token.is_quoted:
            return self._call(base, token)
        return Member(token.at, base, token.text)

    def _call(self, base: Path, token: Token) -> Path:
        if token.text not in FUNCTIONS:
            raise PathError(token.at, f"the function {token.text}() is not supported")
        self._expect("(")
        arguments: list[Path] = []
        while not self._is(")"):
            if arguments:
                self._expect(",")
            arguments.append(self.expression(0))
            if not self._is(",") and not self._is(")"):
                self._refuse_operator()
                self._expect(")")
        self._expect(")")
        fewest, most = FUNCTIONS[token.text]
        if not fewest <= len(arguments) <= most:
            wanted = str(most) if fewest == most else f"{fewest} or {most}"
            raise PathError(token.at, f"{token.text}() takes {wanted} arguments, not {len(arguments)}")
        return Call(token.at, base, token.text, tuple(arguments))
