"""The keys of an OMOP mapping, as a site's administrator writes them.

Layer:       analytics.harmonise.omop.keys, above cdm.
Guarantees:  unknown keys are refused; nothing is guessed from rows.
See instead: reading a file (``reading``), what the keys do (docs/omop.md).
Source:      ours.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003  pydantic reads it
from fractions import Fraction
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from analytics.harmonise.mapping import Derived, MissingRule, Model, Name, Range, Scale, Share, Text
from analytics.harmonise.mapping import as_derived as _as_derived
from analytics.harmonise.omop.cdm import EVENTS

_MOST_CONCEPTS: Final = 100_000
_MOST_DAYS: Final = 100_000
ConceptId = Annotated[int, Field(ge=0, lt=2**62, strict=True)]
Days = Annotated[int, Field(ge=-_MOST_DAYS, le=_MOST_DAYS, strict=True)]
Events = Literal[
    "condition_occurrence",
    "drug_exposure",
    "procedure_occurrence",
    "device_exposure",
    "measurement",
    "observation",
    "visit_occurrence",
    "condition_era",
    "drug_era",
]
Tables = Literal["person", "death", "observation_period", "cohort"] | Events
VALUES: Final = ("first", "last", "min", "max", "mean")
CONCEPTS: Final = ("first_concept", "last_concept")
_EVENTS: Final = (
    "any",
    "count",
    "days",
    "first_date",
    "last_date",
    "first_day",
    "last_day",
    *CONCEPTS,
)
TAKES: Final = {
    "person": ("age", "year_of_birth", "sex", "race", "ethnicity", "index_date", "index_year"),
    "death": ("any", "date", "day"),
    "observation_period": ("days_before", "days_after", "start_date", "end_date"),
    "cohort": ("any", "start_date", "end_date", "start_day", "end_day", "length"),
    **dict.fromkeys(EVENTS, _EVENTS),
    "measurement": (*_EVENTS, *VALUES),
    "observation": (*_EVENTS, *VALUES),
    "visit_occurrence": (*_EVENTS, "nights"),
}
CODED: Final = ("sex", "race", "ethnicity", *CONCEPTS)
SEXES: Final = {"8507": "M", "8532": "F"}


class ConceptSet(Model):
    """Concepts of the site's vocabulary: a list, or a file that ATLAS exported."""

    concepts: tuple[ConceptId, ...] = Field(default=(), max_length=_MOST_CONCEPTS)
    exclude: tuple[ConceptId, ...] = Field(default=(), max_length=_MOST_CONCEPTS)
    descendants: bool = Field(
        default=True, description="whether their descendants belong to it, or are excluded"
    )
    mapped: bool = Field(default=False, description="whether concepts that map to them belong to it too")
    file: str | None = Field(
        default=None, description="a concept set expression of ATLAS, JSON, beside the mapping"
    )

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.file is None) == (not self.concepts):
            msg = "give concepts or file"
            raise ValueError(msg)
        if self.file is not None and (self.exclude or self.model_fields_set & {"descendants", "mapped"}):
            msg = "exclude, descendants and mapped stand in the file"
            raise ValueError(msg)
        return self


class CohortFile(Model):
    """A cohort definition of ATLAS, which is Circe's JSON."""

    file: str = Field(min_length=1, description="a path beside the mapping")


class Index(Model):
    """Each person's index date: one of a fixed date, a cohort's start, an event, the start of observation."""

    date: dt.date | None = Field(default=None, description="the same for all")
    cohort: str | None = Field(default=None, description="the start of the person's first entry")
    table: Events | Literal["observation_period"] | None = Field(
        default=None, description="the date of a row"
    )
    set: str | None = Field(default=None, description="for table: rows of this concept set")
    take: Literal["first", "last"] = Field(default="first", description="for table: which row")
    observed: bool = Field(
        default=False, description="whether the index date must lie in a period of observation"
    )
    without: Literal["leave_out", "keep"] = Field(
        default="leave_out", description="persons without an index date"
    )

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        given = [name for name in ("date", "cohort", "table") if getattr(self, name) is not None]
        if len(given) != 1:
            msg = "give one of date, cohort and table"
            raise ValueError(msg)
        if self.set is not None and self.table in {None, "observation_period"}:
            msg = "set belongs to a table of events"
            raise ValueError(msg)
        if self.take == "last" and self.table is None:
            msg = "take belongs to table"
            raise ValueError(msg)
        return self


class OmopColumn(Model):
    """One column of the research table."""

    table: Tables
    take: str
    set: str | None = Field(
        default=None, description="for events: the rows of a concept set; default: all rows"
    )
    source_concepts: bool = Field(
        default=False, description="whether the set is looked for in the column of source concepts"
    )
    cohort: str | None = Field(default=None, description="for cohort: its name")
    from_day: Days | None = Field(
        default=None, description="first day of the window, from the index date; 0 is it"
    )
    to_day: Days | None = Field(
        default=None, description="last day of the window; for events 0 where it is left out"
    )
    to_the_end: bool = Field(default=False, description="for events: whether the window has no last day")
    words: dict[str, Text] | None = Field(default=None, description="for concepts: ids and what each means")
    unmapped: Literal["missing", "keep", "refuse"] = Field(
        default="missing", description="a concept without a word; keep: its id"
    )
    units: tuple[str, ...] = Field(default=(), description="for values: UCUM units that are understood")
    no_unit: str | None = Field(default=None, description="for values: the unit of rows without one, UCUM")
    unknown_unit: Literal["missing", "refuse"] = "refuse"
    to_unit: str | None = Field(default=None, description="the schema's unit, UCUM")
    analyte: str | None = Field(default=None, description="needed between mass and amount")
    digits: Annotated[int, Field(ge=0, le=9, strict=True)] | None = None
    censored: Literal["missing", "keep"] = Field(
        default="missing", description="a value with an operator such as <"
    )
    range: Range | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for reason in self._mistakes():
            raise ValueError(reason)
        return self

    def _mistakes(self) -> list[str]:
        is_event, is_value = self.table in EVENTS, self.take in VALUES
        has_window = self.from_day is not None or self.to_day is not None or self.to_the_end
        windows = self.table in {"death", "cohort"} or is_event
        of_values = (self.units, self.no_unit, self.to_unit, self.analyte, self.digits)
        is_empty = self.from_day is not None and self.from_day > (self.last_day() if windows else 0)
        rules = (
            (
                self.take not in TAKES[self.table],
                f"take: for {self.table} one of {', '.join(TAKES[self.table])}",
            ),
            (self.set is not None and not is_event, "set belongs to a table of events"),
            (is_value and self.set is None, "values need set: values of different concepts are not compared"),
            ((self.table == "cohort") != (self.cohort is not None), 'cohort belongs to table = "cohort"'),
            (self.source_concepts and self.set is None, "source_concepts belongs to set"),
            (
                self.source_concepts and is_event and not EVENTS[self.table].source_concept,
                f"source_concepts: {self.table} has no source concepts",
            ),
            (
                has_window and not windows,
                "from_day, to_day and to_the_end belong to events, death and cohort",
            ),
            (self.to_the_end and self.to_day is not None, "to_day and to_the_end: give one of them"),
            (is_empty, "the window is empty"),
            (self.words is not None and self.take not in CODED, f"words belongs to {', '.join(CODED)}"),
            (any(not each.isdigit() for each in self.words or ()), "words: the keys are concept ids"),
            (any(each not in (None, ()) for each in of_values) and not is_value, "units belong to values"),
            (is_value and self.to_unit is None, 'values need to_unit; "1" for a number without a unit'),
            (is_value and not (self.units or self.no_unit), "values need units, no_unit or both"),
            (self.range is not None and self.take in {*CODED, "any"}, "range belongs to numbers"),
        )
        return [reason for is_wrong, reason in rules if is_wrong]

    def last_day(self) -> int:
        """The last day of the window, from the index date; past every date where it has none."""
        if self.to_day is not None:
            return self.to_day
        return 0 if self.table in EVENTS and not self.to_the_end else _MOST_DAYS * 10

    def meanings(self) -> dict[str, str] | None:
        """What each concept id means; None: the id itself is the text."""
        if self.words is None and self.take == "sex":
            return dict(SEXES)
        return self.words


class OmopFile(Model):
    """A whole OMOP mapping."""

    version: Literal[1]
    kind: Literal["omop"]
    person: Name = Field(default="person_id", description="the name of the column of persons in the result")
    vocabulary: Name | None = Field(
        default=None, description="the schema of the vocabulary's tables, where it is another one"
    )
    sets: dict[Name, ConceptSet] = Field(default_factory=dict)
    cohorts: dict[Name, CohortFile] = Field(default_factory=dict)
    index: Index
    columns: Annotated[dict[Name, OmopColumn], Field(min_length=1)]
    derive: Annotated[dict[Name, Derived], BeforeValidator(_as_derived)] = Field(default_factory=dict)
    missing: dict[Name, MissingRule] = Field(default_factory=dict)
    scale: dict[Name, Scale] = Field(default_factory=dict)
    most_lost: Share = Field(
        default=Fraction(1, 2),
        description="largest share of the rows that the rules after the research table may lose; beyond it: refused",
    )
