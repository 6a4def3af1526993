"""Each person's index date, from which ages and windows are counted.

Layer:       analytics.harmonise.omop.index_dates, above circe.
Guarantees:  a person has one index date or none; it depends on the rows of that person alone.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.harmonise.omop.cdm import EVENTS, PERSON, typed_table
from analytics.harmonise.omop.circe import cohort_table
from analytics.harmonise.omop.concept_sets import set_table
from analytics.sources.steps.step import MAIN, Rule, Step
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.harmonise.omop.keys import Index

INDEX: Final = "index#"
PERIOD: Final = "observation_period"
_FOUND: Final = "index#found"


def index_steps(own: Index) -> Iterator[Step]:
    """The steps that end in the table ``INDEX``: person_id and index_date."""
    found, what = _found(own)
    persons = quoted(typed_table(PERSON))
    without = f"SELECT count(*) FROM {persons} WHERE person_id NOT IN (SELECT person_id FROM ({found}) AS f)"  # noqa: S608
    yield Step(
        block=MAIN,
        what=f"index date: {what}",
        before=typed_table(PERSON),
        after=_FOUND if own.observed else INDEX,
        sql=found,
        rules=(Rule(name="index date: persons without one", query=without),),
    )
    if own.observed:
        condition = (
            f"EXISTS (SELECT 1 FROM {quoted(typed_table(PERIOD))} AS o WHERE o.person_id = f.person_id "  # noqa: S608
            "AND f.index_date BETWEEN o.observation_period_start_date AND o.observation_period_end_date)"
        )
        yield Step(
            block=MAIN,
            what="index date: within a period of observation",
            before=_FOUND,
            after=INDEX,
            sql=f"SELECT * FROM {quoted(_FOUND)} AS f WHERE {condition}",  # noqa: S608
        )


def _found(own: Index) -> tuple[str, str]:
    """The SELECT of all index dates, and what it is called."""
    persons = quoted(typed_table(PERSON))
    is_known = f"person_id IN (SELECT person_id FROM {persons})"  # noqa: S608
    if own.date is not None:
        return f"SELECT person_id, DATE '{own.date.isoformat()}' AS index_date FROM {persons}", "one for all"  # noqa: S608
    if own.cohort is not None:
        table, date, where = cohort_table(own.cohort), "start_date", is_known
        what = f"start of {own.cohort}"
    else:
        name = own.table or PERIOD
        table = typed_table(name)
        date = EVENTS[name].date if name in EVENTS else "observation_period_start_date"
        where = is_known
        if own.set is not None:
            where += f" AND {EVENTS[name].concept} IN (SELECT concept_id FROM {quoted(set_table(own.set))})"  # noqa: S608
        what = f"{own.take} row of {name}"
    function = "max" if own.take == "last" else "min"
    sql = (
        f"SELECT person_id, {function}({date}) AS index_date FROM {quoted(table)} "  # noqa: S608  quoted names
        f"WHERE {where} AND {date} IS NOT NULL GROUP BY person_id"
    )
    return sql, what


def index_reads(own: Index) -> set[tuple[str, str]]:
    """The columns of the CDM that the index date needs."""
    found: set[tuple[str, str]] = set()
    if own.table is not None and own.table in EVENTS:
        name = str(own.table)
        found |= {(name, "person_id"), (name, EVENTS[name].date)}
        found |= {(name, EVENTS[name].concept)} if own.set is not None else set()
    if own.observed or own.table == PERIOD:
        ends = ("person_id", "observation_period_start_date", "observation_period_end_date")
        found |= {(PERIOD, column) for column in ends}
    return found
