"""A mapping as the database sees it: named steps of SQL, each with what it counts and what it refuses.

Layer:       analytics.sources.steps, the lowest of sources beside formats; knows nothing of how a mapping is written.
Terms:       a *block* is one file of the site and the steps over it; the block ``table`` is the one that questions are
             asked of. Step 0 of a block holds its texts as they stand in the file.
Guarantees:  a report holds counts, for the site's administrator alone; its repr withholds them.
See instead: the mapping's file (``analytics.harmonise``), the pass that runs it (``analytics.sources.preparation``).
Source:      ours; docs/guarantees.md P19.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from fractions import Fraction

MAIN: Final = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a step, with its count.

    Attributes:
        name: what the count says, such as ``column chol: units converted``.
        condition: SQL, true for a row that the rule touches; empty where ``query`` counts.
        query: a SELECT of one number.
        refusal: why a row that it touches refuses the source; empty where none does.
    """

    name: str
    condition: str = ""
    query: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        block: of which file.
        what: its name for people.
        before: the table that it reads.
        after: the table that it makes.
        sql: the SELECT that makes it.
        rules: what is counted, over ``counted``.
        counted: what stands after FROM for the counts; it has one row for each of ``before``. Empty: ``before`` itself.
        loses_rows: whether a row that is not in ``after`` is lost: neither a copy of another one nor part of a group.
    """

    block: str
    what: str
    before: str
    after: str
    sql: str
    rules: tuple[Rule, ...] = ()
    counted: str = ""
    loses_rows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRead:
    """What is read of a block's file.

    Attributes:
        table: the table of step 0.
        columns: the file's columns that the mapping uses, with the place in the mapping that names each.
        keeps_rest: whether the file's other columns are taken over as they stand.
        condition: SQL over the columns' texts; rows for which it does not hold are not read. Empty: all are.
    """

    table: str
    columns: Mapping[str, str]
    keeps_rest: bool = False
    condition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A whole mapping for a source whose columns are known.

    Attributes:
        steps: in the order in which they run.
        result: the last table.
        most_lost: largest share of the main block's rows that steps may lose.
    """

    steps: tuple[Step, ...]
    result: str
    most_lost: Fraction


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StepReport:
    """What one step did.

    Attributes:
        block: of which file.
        what: its name for people.
        rows_before: rows that it read.
        rows_after: rows that it made.
        touched: the count of each rule.
        refusals: the rules that refuse the source, with what to do; only a check goes on beyond one.
    """

    block: str
    what: str
    rows_before: int
    rows_after: int
    touched: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"StepReport(block={self.block!r}, what={self.what!r}, counts withheld)"

    def share(self, rule: str) -> float:
        """The share of the step's rows that a rule touched; 0 where there were none."""
        return self.touched[rule] / self.rows_before if self.rows_before else 0.0

    def lines(self) -> Iterator[str]:
        """What it did in sentences; for the administrator's own screen."""
        rows = f"{self.rows_before} rows"
        if self.rows_after != self.rows_before:
            rows += f" before, {self.rows_after} after"
        yield f"{self.block}, {self.what}: {rows}"
        for rule, count in self.touched.items():
            if count:
                refusal = f"; REFUSED: {self.refusals[rule]}" if rule in self.refusals else ""
                yield f"{self.block}, {rule}: {count} ({self.share(rule):.1%}){refusal}"
