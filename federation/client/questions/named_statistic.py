"""A statistic as an analyst asks for it in Python: its name, its table, arguments, and how it is paid for.

Layer:       federation.client.questions.named_statistic, above arguments. Pure.
Guarantees:  one path for every statistic of the registry; nothing here knows one.
See instead: the statistics (``analytics.statistics.registry``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from analytics.errors import InvalidRequestError
from analytics.statistics.register import why_unknown
from analytics.statistics.registry import STATISTICS
from federation.client.arguments import epsilon_or_exact, mechanism_of, plain_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

PURPOSE: Final = "analysis"
_HOW: Final = frozenset({"epsilon", "exact", "purpose", "mechanism"})


class _Asked(TypedDict):
    question: dict[str, object]
    epsilon: Fraction | None
    purpose: str
    mechanism: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedStatistic:
    """One question by name.

    Attributes:
        question: statistic, table and arguments, as a request holds them.
        epsilon: of a private answer; None for an exact one.
        purpose: written to the ledger.
        mechanism: the noise that is asked for; None where none is named.
    """

    question: dict[str, object]
    epsilon: Fraction | None
    purpose: str
    mechanism: str | None = None

    @property
    def request(self) -> _Asked:
        """What a request is made from."""
        return {
            "question": self.question,
            "epsilon": self.epsilon,
            "purpose": self.purpose,
            "mechanism": self.mechanism,
        }

    @classmethod
    def of(
        cls, name: str, table: str, arguments: Sequence[object], options: Mapping[str, object]
    ) -> NamedStatistic:
        """Read a call.

        Args:
            name: of the registry.
            table: of the schema.
            arguments: those without a name, in the order of the statistic's parameters.
            options: those with one; ``epsilon``, ``exact``, ``purpose`` and ``mechanism`` among them.

        Raises:
            InvalidRequestError: no such statistic, too many arguments, one given twice, or not one of epsilon and
                exact.
        """
        if name not in STATISTICS:
            raise InvalidRequestError(parameter="statistic", reason=why_unknown(name))
        names = [parameter.name for parameter in STATISTICS[name].parameters]
        if len(arguments) > len(names):
            raise InvalidRequestError(parameter=name, reason=f"takes at most {', '.join(names)}")
        given = dict(zip(names, arguments, strict=False))
        named = {key: value for key, value in options.items() if key not in _HOW}
        for twice in given.keys() & named.keys():
            raise InvalidRequestError(parameter=twice, reason="is given twice")
        exact, purpose_given = options.get("exact", False), options.get("purpose", PURPOSE)
        if not isinstance(exact, bool):
            raise InvalidRequestError(parameter="exact", reason="must be true or false")
        if not isinstance(purpose_given, str):
            raise InvalidRequestError(parameter="purpose", reason="must be a text")
        return cls(
            question={"statistic": name, "table": table, "arguments": plain_arguments(given | named)},
            epsilon=epsilon_or_exact(options.get("epsilon"), exact=exact),
            purpose=purpose_given,
            mechanism=mechanism_of(options.get("mechanism")),
        )
