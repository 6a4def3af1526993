"""ViewDefinitions over random resources give what a plain reading of the standard gives, or are refused as it is."""

import json
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.errors import SchemaMismatchError
from analytics.sources import SourceSpec
from analytics.sources.formats.fhir import ViewDefinition
from analytics.sources.loading import connect, opened
from tests.sources.fhir_oracle import Refused, rendered, rows_of, width

THIS = ("this",)
WORDS = st.sampled_from(["a", "b", "official", "", 'it\'s \\ "q"', "Zoë 张", "1980", "1980-05"])
ZONED = [
    "1980-05-06T10:00:00Z",
    "1980-05-06T12:00:00.0+02:00",
    "1980-05-06T23:30:00-05:00",
    "1980-05-06T10:00:00.5Z",
]
DATES = st.sampled_from(["1980", "1980-05", "1980-06", "1980-05-06", "1980-05-07", "1981", *ZONED])


def optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


PERIODS = optional(start=DATES, end=DATES)
NAMES = optional(
    use=WORDS,
    family=WORDS,
    given=st.lists(st.none() | WORDS, max_size=3),
    period=PERIODS,
    rank=st.integers(-3, 3),
)
RESOURCES = st.fixed_dictionaries(
    {"resourceType": st.sampled_from(["Patient", "Patient", "Group"])},
    optional={
        "id": WORDS,
        "active": st.booleans(),
        "birthDate": DATES,
        "deceasedBoolean": st.booleans(),
        "deceasedDateTime": DATES,
        "name": st.lists(NAMES, max_size=3) | NAMES | st.none(),
        "multipleBirthInteger": st.integers(0, 3),
        "contact": st.lists(
            optional(name=NAMES, telecom=st.lists(optional(rank=st.integers(0, 2)), max_size=2)), max_size=2
        ),
    },
)
FIELDS = (
    "id",
    "active",
    "birthDate",
    "name",
    "family",
    "given",
    "use",
    "period",
    "start",
    "rank",
    "contact",
    "telecom",
)
CHOICES = (
    ("deceased", "boolean"),
    ("deceased", "dateTime"),
    ("multipleBirth", "integer"),
    ("name", "string"),
)


VALUES = st.one_of(
    st.tuples(st.just("text"), WORDS),
    st.tuples(st.just("number"), st.integers(-2, 3)),
    st.tuples(st.just("date"), DATES),
)
REFUSED = ("compares a", "orders by a text", "a condition is a boolean", "does not order booleans")
ORDERS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])


def path(draw, depth: int = 2) -> tuple:
    """A collection: elements, choices, places, filters."""
    found = ("this",)
    for _ in range(draw(st.integers(1, 3))):
        step = draw(st.sampled_from(["of"] * 6 + ["type", "first", "at", "where"]))
        if step in {"of", "type"} and is_typed(found):
            continue  # a text has no elements: that is refused when it is read
        if step == "of":
            found = ("of", found, draw(st.sampled_from(FIELDS)))
        elif step == "type":
            found = ("type", found, *draw(st.sampled_from(CHOICES)))
        elif step == "first":
            found = ("first", found)
        elif step == "at":
            found = ("at", found, draw(st.integers(0, 2)))
        elif depth:
            found = ("where", found, condition(draw, depth - 1))
    return found


def is_typed(node: tuple) -> bool:
    return node[0] == "type" or (node[0] in {"first", "at", "where"} and is_typed(node[1]))


def condition(draw, depth: int = 2) -> tuple:
    kinds = ["exists", "empty", "order", "order", "equal", "active", "flag"]
    kind = draw(st.sampled_from(kinds + ["and", "or", "not"] * bool(depth)))
    below = max(depth - 1, 0)
    if kind in {"exists", "empty"}:
        return (kind, path(draw, below))
    if kind == "order":
        right = draw(VALUES) if draw(st.booleans()) else ("first", path(draw, below))
        return (draw(ORDERS), ("first", path(draw, below)), right)
    if kind == "equal":
        right = draw(VALUES) if draw(st.booleans()) else path(draw, below)
        return (draw(st.sampled_from(["=", "!="])), path(draw, below), right)
    if kind in {"and", "or"}:
        return (kind, condition(draw, below), condition(draw, below))
    if kind == "not":
        return ("not", condition(draw, below))
    return ("of", THIS, "active") if kind == "active" else ("flag", draw(st.booleans()))


def column(draw) -> tuple:
    kind = draw(st.sampled_from(["first", "first", "condition", "join", "path", "id"]))
    if kind == "condition":
        return condition(draw, 1)
    if kind == "join":
        return ("join", path(draw, 1), draw(WORDS))
    found = path(draw, 1)
    return {"first": ("first", found), "path": found, "id": ("of", THIS, "id")}[kind]


def select(draw, depth: int = 2, widest: int = 2) -> dict:
    found = {"column": [column(draw) for _ in range(draw(st.integers(1, widest)))]}
    kind = draw(st.sampled_from(["", "forEach", "forEachOrNull"]))
    if kind:
        names = st.sampled_from(["name", "contact", "given", "telecom"])
        found[kind] = ("of", THIS, draw(names)) if draw(st.booleans()) else path(draw, 1)
    if depth and draw(st.booleans()):
        found["select"] = [select(draw, depth - 1) for _ in range(draw(st.integers(1, 2)))]
    if depth and draw(st.booleans()):
        found["unionAll"] = [select(draw, 0, 1) for _ in range(draw(st.integers(1, 2)))]
    return found


@st.composite
def views(draw) -> dict:
    chosen = [select(draw) for _ in range(draw(st.integers(1, 2)))]
    where = [condition(draw) for _ in range(draw(st.integers(0, 2)))]
    return {"resource": "Patient", "select": chosen, "where": where}


def written(view: dict) -> dict:
    """The view with its paths as texts; the columns of a union's branches have the same names."""
    numbers = count()
    selected = [_written(each, numbers) for each in view["select"]]
    return {
        "resourceType": "ViewDefinition",
        "resource": view["resource"],
        "select": selected,
        "where": [{"path": rendered(path)} for path in view["where"]],
    }


def _written(select: dict, numbers) -> dict:
    found = {key: rendered(select[key]) for key in ("forEach", "forEachOrNull") if key in select}
    found["column"] = [{"name": f"c{next(numbers)}", "path": rendered(path)} for path in select["column"]]
    if "select" in select:
        found["select"] = [_written(each, numbers) for each in select["select"]]
    if "unionAll" in select:
        start = next(numbers)
        found["unionAll"] = [_written(each, count(start)) for each in select["unionAll"]]
        for column in (each for branch in found["unionAll"] for each in branch["column"]):
            column["type"] = (
                "string"  # branches have the same types, and a condition is a boolean where it says none
            )
    return found


def answered(view: dict, resources: list, place: Path) -> list[tuple] | None:
    """The product's rows; None where it refuses them."""
    definition = ViewDefinition.of(json.dumps(view).encode(), "view.json")
    place.write_text(
        "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in resources), encoding="utf-8"
    )
    connection = connect(1)
    try:
        spec = SourceSpec(kind="fhir", path=place, view_definition=definition)
        with opened(connection, spec, workplace=place.parent) as relation:
            cells = ", ".join(f"CAST(c{place} AS VARCHAR)" for place in range(len(relation.names)))
            return connection.execute(f"SELECT {cells} FROM {relation.sql}").fetchall()
    except SchemaMismatchError:
        return None
    finally:
        connection.close()


def reads(view: dict) -> bool:
    """Whether the product takes the view at all: a comparison of unlike types is refused when it is read."""
    try:
        ViewDefinition.of(json.dumps(view).encode(), "view.json")
    except SchemaMismatchError as error:
        found = error.reason
    else:
        return True
    assert any(text in found for text in REFUSED), found
    return False


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fhir") / "rows.ndjson"


def agrees(view: dict, resources: list, place: Path) -> None:
    text = written(view)
    if not reads(text):
        return
    try:
        expected = rows_of(view, resources)
    except Refused:
        expected = None
    assert answered(text, resources, place) == expected


@settings(max_examples=25)
@given(view=views(), resources=st.lists(RESOURCES, max_size=4))
def test_a_view_gives_the_rows_of_a_plain_reading(view, resources, place):
    assert width({"column": [], "select": view["select"]})
    agrees(view, resources, place)


@pytest.mark.slow
@settings(max_examples=800)
@given(view=views(), resources=st.lists(RESOURCES, max_size=4))
def test_many_views_give_the_rows_of_a_plain_reading(view, resources, place):
    agrees(view, resources, place)


@settings(max_examples=40)
@given(left=DATES, sign=st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), right=DATES)
def test_dates_of_unlike_precision_are_compared_as_far_as_both_are_known(left, sign, right, place):
    compared = (sign, ("of", THIS, "birthDate"), ("date", right))
    view = {"resource": "Patient", "select": [{"column": [compared]}], "where": []}
    agrees(view, [{"resourceType": "Patient", "birthDate": left}], place)
