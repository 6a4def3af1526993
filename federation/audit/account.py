"""The account of a ledger: what was asked by whom, for which epsilon, how accurately and at what price.

Layer:       federation.audit, above asked.
Terms:       a *line* is one entry of the ledger; the attempts of a training are one line.
Guarantees:  every figure is that of ``privacy_accounting.audit.statement``, from entries that hold; words come from
             texts that have the hash of their entry. A selection hides lines and changes no total.
See instead: whether the ledger is whole (``privacy_accounting.audit.verify``).
Source:      docs/accounting.md, "What was asked".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING

from analytics.text_tables import as_html
from federation.audit.asked import Accuracies, asked_of
from federation.audit.exact_pairs import exact_requests, marks
from federation.audit.kept_texts import KeptTexts
from privacy_accounting.audit.selection import Selection
from privacy_accounting.budget.totals import readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from federation.consortium.consortium_file import Consortium
    from privacy_accounting.audit.statement import Line, Remaining, Spender, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLine:
    """One entry, or all attempts of one training, in plain words.

    Attributes:
        number: of the entry; of a training, of its first attempt's.
        last: number of a training's last attempt; otherwise as ``number``.
        time: seconds since 1970; of a training, of its first attempt.
        last_time: of a training, of its last attempt; otherwise as ``time``.
        kind: charge, exact, training, or as the ledger spells it.
        population: whose patients; empty where the entry is about none.
        sub_budget: which filter paid.
        analyst: who asked.
        purpose: as declared.
        question: what was asked, in one line; empty without its text.
        text: kept, missing, or changed with the places; empty where the entry is about no request.
        epsilon: of the request, decimal; empty for an exact answer and without its text.
        accuracy: the noise as the plan states it; empty where it cannot be derived.
        rounds: of a training; 0 for other entries.
        attempts: of a training; 0 for other entries.
        price: Rényi cost at the sub-budget's order, decimal; of a training, of all attempts.
        price_all_but_one: the same if all sites but one collude.
        left: what the sub-budget had left afterwards, decimal.
        differs_from: earlier exact requests of this analyst that this one can be subtracted from, by entry, or that it was
            not compared; empty for other entries, and without the consortium file.
        remark: what else the entry says.
        request: the request hash.
    """

    number: int
    last: int
    time: int
    last_time: int
    kind: str
    population: str = ""
    sub_budget: str = ""
    analyst: str = ""
    purpose: str = ""
    question: str = ""
    text: str = ""
    epsilon: str = ""
    accuracy: str = ""
    rounds: int = 0
    attempts: int = 0
    price: str = ""
    price_all_but_one: str = ""
    left: str = ""
    differs_from: str = ""
    remark: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Account:
    """All that was asked, and what is left.

    Attributes:
        owner: site whose ledger it is.
        lines: in the order of the entries.
        remaining: of each sub-budget, after all entries.
        spenders: who had how much of whom, after all entries.
        texts: where the texts were read; empty without any.
        first_bad: number of the first entry that does not hold.
        reason: why it does not.
    """

    owner: str
    lines: tuple[AskedLine, ...] = field(repr=False)
    remaining: tuple[Remaining, ...] = field(repr=False)
    spenders: tuple[Spender, ...] = field(repr=False)
    texts: tuple[str, ...] = ()
    first_bad: int | None = None
    reason: str = ""

    def __repr__(self) -> str:
        """Whose ledger, how many requests, whether it holds."""
        whole = "" if self.first_bad is None else f"; NOT WHOLE from entry {self.first_bad} on"
        return f"<{type(self).__name__} of {self.owner}: {len(self.lines)} lines{whole}>"

    def _repr_html_(self) -> str:
        names = ("number", "time", "kind", "analyst", "purpose", "question", "epsilon", "accuracy", "left")
        rows = [[getattr(line, name) for name in names] for line in self.lines]
        return as_html(names, rows, [repr(self)])

    @property
    def changed(self) -> tuple[AskedLine, ...]:
        """The lines under whose hash another text lies somewhere."""
        return tuple(line for line in self.lines if "changed" in line.text)

    @property
    def frame(self) -> pd.DataFrame:
        """The lines as a frame."""
        return _frame(self.lines, AskedLine)

    @property
    def remaining_frame(self) -> pd.DataFrame:
        """What is left of each sub-budget, as a frame."""
        from privacy_accounting.audit.statement import Remaining

        return _frame(self.remaining, Remaining)

    @property
    def spender_frame(self) -> pd.DataFrame:
        """What each analyst has had of each population, as a frame."""
        from privacy_accounting.audit.statement import Spender

        return _frame(self.spenders, Spender)

    def to_dict(self) -> dict[str, object]:
        """Give everything as JSON values."""
        return {
            "owner": self.owner,
            "lines": [asdict(line) for line in self.lines],
            "remaining": [asdict(part) for part in self.remaining],
            "spenders": [asdict(each) for each in self.spenders],
            "texts": list(self.texts),
            "first_bad": self.first_bad,
            "reason": self.reason,
        }


def account_of(
    statement: Statement,
    kept: KeptTexts | None = None,
    *,
    consortium: Consortium | None = None,
    selection: Selection | None = None,
) -> Account:
    """Put a ledger's statement and the texts of its requests together.

    Args:
        statement: of the whole ledger, or of one population.
        kept: the texts; None: none.
        consortium: the agreement, for the accuracy of each answer; None: without.
        selection: which lines to show.
    """
    texts, wanted = kept or KeptTexts(), selection or Selection()
    marked = {} if consortium is None else marks(exact_requests(statement.lines, texts, consortium))
    accuracies = Accuracies(consortium)
    lines = [
        line
        for line in folded(statement)
        if wanted.takes(
            first=line.time,
            last=line.last_time,
            analyst=line.analyst,
            purpose=line.purpose,
            population=line.population,
        )
    ]
    return Account(
        owner=statement.owner,
        lines=tuple(
            replace(_in_words(line, texts, accuracies), differs_from=marked.get(line.number, ""))
            for line in lines
        ),
        remaining=statement.remaining,
        spenders=statement.spenders,
        texts=tuple(texts.places),
        first_bad=statement.first_bad,
        reason=statement.reason,
    )


def _in_words(line: AskedLine, kept: KeptTexts, accuracies: Accuracies) -> AskedLine:
    if not line.request:
        return line
    asked = asked_of(line.request, kept, accuracies)
    return replace(
        line, question=asked.question, text=asked.text, epsilon=asked.epsilon, accuracy=asked.accuracy
    )


def folded(statement: Statement) -> list[AskedLine]:
    """Return one line for each entry, and one for all attempts of a training, where its first attempt stands."""
    found: dict[str, list[Line]] = {}
    for line in statement.lines:
        run, _, _ = line.run.partition(" ")
        found.setdefault(run or f"{line.number}", []).append(line)
    return [_line(lines, statement.costs) for lines in found.values()]


def _line(lines: Sequence[Line], costs: Mapping[int, tuple[int, int]]) -> AskedLine:
    first, last = lines[0], lines[-1]
    own = AskedLine(
        number=first.number,
        last=last.number,
        time=first.time,
        last_time=last.time,
        kind=first.kind,
        population=first.population,
        sub_budget=first.sub_budget,
        analyst=first.analyst,
        purpose=first.purpose,
        price=first.price,
        price_all_but_one=first.price_all_but_one,
        left=last.left,
        remark=last.remark,
        request=first.request,
    )
    if not first.run:
        return own
    rounds = {line.run.partition(" attempt ")[0] for line in lines}
    charged = [costs[line.number] for line in lines if line.number in costs]
    return replace(
        own,
        kind="training",
        rounds=len(rounds),
        attempts=len(lines),
        price=readable(sum(cost for cost, _ in charged)) if charged else "",
        price_all_but_one=readable(sum(cost for _, cost in charged)) if charged else "",
    )


def _frame(rows: Sequence[object], kind: type) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        [asdict(row) for row in rows],  # type: ignore[call-overload]
        columns=[each.name for each in fields(kind)],
    )
