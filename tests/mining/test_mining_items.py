"""Items that an analyst may write, and their names."""

import pytest

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.mining.items import parse_items
from analytics.schema import Schema
from analytics.sources import open_frame

SCHEMA = Schema.from_dict(
    {
        "tables": {
            "t": {
                "privacy_unit": "who",
                "rows_max": 100,
                "exact_dimensions": ["age", "tsh", "sex", "cp", "ill", "plain"],
                "columns": {
                    "age": {
                        "type": "numeric",
                        "lower": 0,
                        "upper": 120,
                        "resolution": 1,
                        "bins": [0, 40, 60, 120],
                    },
                    "tsh": {
                        "type": "numeric",
                        "lower": -1,
                        "upper": 9,
                        "resolution": "0.1",
                        "bins": [-1, "0.4", "4.5", 9],
                    },
                    "plain": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1},
                    "sex": {"type": "categorical", "domain": ["F", "M", "not said", "a=b", "'"]},
                    "cp": {"type": "categorical", "domain": [1, 2, 3, 4]},
                    "ill": {"type": "boolean", "nullable": True},
                    "hidden": {"type": "boolean"},
                },
            }
        }
    }
)
TABLE = SCHEMA.tables["t"]


@pytest.mark.parametrize(
    ("text", "name", "low", "high"),
    [
        ("ill", "ill", 1, 1),
        (" ILL ", "ill", 1, 1),
        ("ill=TRUE", "ill", 1, 1),
        ("ill = false", "ill=false", 0, 0),
        ("sex=M", "sex=M", 1, 1),
        ("Sex == 'F'", "sex=F", 0, 0),
        ("sex=not said", "sex=not said", 2, 2),
        ("sex=a=b", "sex=a=b", 3, 3),
        ("sex='", "sex='", 4, 4),
        ("cp=4", "cp=4", 3, 3),
        ("age>=60", "age>=60", 60, 120),
        ("age > 59", "age>=60", 60, 120),
        ("age>=60.0", "age>=60", 60, 120),
        ("age<40", "age<40", 0, 39),
        ("age<=39", "age<40", 0, 39),
        ("age<60", "age<60", 0, 59),
        ("age>=40", "age>=40", 40, 120),
        ("age in [40, 60)", "age in [40, 60)", 40, 59),
        ("age IN [60,120]", "age>=60", 60, 120),
        ("age in [60,120)", "age>=60", 60, 120),
        ("age in [0,40)", "age<40", 0, 39),
        ("tsh < 0.4", "tsh<0.4", -10, 3),
        ("tsh in [0.4, 4.5)", "tsh in [0.4, 4.5)", 4, 44),
        ("tsh >= 4.5", "tsh>=4.5", 45, 90),
        ("tsh in [-1, 0.4)", "tsh<0.4", -10, 3),
    ],
)
def test_an_item_has_one_name_and_one_range(text, name, low, high) -> None:
    [item] = parse_items([text], TABLE)
    assert (item.name, item.low, item.high) == (name, low, high)
    assert parse_items([item.name], TABLE) == (item,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "no column"),
        ("nothing=3", "no column"),
        ("hidden", "not an exact dimension"),
        ("who", "not an exact dimension"),
        ("who=7", "not an exact dimension"),
        ("sex", "has several values"),
        ("sex=X", "not in the domain"),
        ("sex=m", "not in the domain"),
        ("cp=5", "not in the domain"),
        ("cp=4.0", "not in the domain"),
        ("ill=1", "true or false"),
        ("age", "name one of its bins"),
        ("age=57", "name one of its bins"),
        ("age>=57", "no bin"),
        ("age>57", "no bin"),
        ("age>=59.5", "no bin"),
        ("age>59.5", "no bin"),
        ("age>=0", "no bin"),
        ("age<120", "no bin"),
        ("age<=120", "no bin"),
        ("age>=120", "no bin"),
        ("age in [40, 60]", "no bin"),
        ("age in [40, 120]", "no bin"),
        ("age in [57, 58)", "no bin"),
        ("age in [60, 40)", "no bin"),
        ("age in [120, 120]", "no bin"),
        ("age>=6e1", "not a valid item"),
        ("age>=1.2.3", "plain decimal"),
        ("age>=-", "not a valid item"),
        ("age>=060", "plain decimal"),
        ("plain>=3", "no declared bins"),
        ("sex>=3", "not a number"),
        ("ill and sex=M", "not a valid item"),
        ("ill; DROP TABLE t", "not a valid item"),
        ('"ill"', "not a valid item"),
        ("", "not a valid item"),
        ("x" * 301, "printable"),
        ("ill\n", "ill"),
    ],
)
def test_what_is_no_item_is_named_with_its_place(text, words) -> None:
    if text == "ill\n":  # blanks around are taken off, line ends among them
        assert parse_items([text], TABLE)[0].name == "ill"
        return
    with pytest.raises(PlanRejectedError) as caught:
        parse_items(["ill", text], TABLE)
    assert caught.value.position == "items[1]"
    assert words in caught.value.reason


def test_a_constant_of_the_request_cannot_cut_a_person_out() -> None:
    """The attack: age=57 and a cholesterol of 303 name one patient; every way to write a constant is refused."""
    for text in ("age=57", "age>=57", "age<58", "age in [57, 58)", "age>56", "age<=57", "tsh>=3.0", "tsh=3"):
        with pytest.raises(PlanRejectedError):
            parse_items([text], TABLE)


def test_duplicates_are_found_however_they_are_written() -> None:
    for pair in (["age>=60", "age in [60,120]"], ["ill", "ILL = true"], ["sex=M", "sex='M'"]):
        with pytest.raises(PlanRejectedError) as caught:
            parse_items(pair, TABLE)
        assert caught.value.position == "items[1]"
        assert "twice" in caught.value.reason


@pytest.mark.parametrize("items", [[], "ill", ["ill"] * 10_000, [7], [None], ["ill", 1.5]])
def test_a_list_that_is_none(items) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_items(items, TABLE)
    assert caught.value.parameter == "items"


def test_items_of_one_column_exclude_or_overlap() -> None:
    items = {
        i.name: i
        for i in parse_items(["age<40", "age<60", "age>=60", "ill", "ill=false", "sex=F", "sex=M"], TABLE)
    }
    assert items["age<40"].excludes(items["age>=60"])
    assert items["age<40"].overlaps(items["age<60"])
    assert items["ill"].excludes(items["ill=false"])
    assert items["sex=F"].excludes(items["sex=M"])
    assert not items["sex=F"].excludes(items["ill"])
    assert not items["sex=F"].overlaps(items["ill"])


def test_items_hold_where_they_say_and_nowhere_without_a_value(plan_of) -> None:
    import pandas as pd

    from analytics.mining.bitmaps import local_bitmaps
    from analytics.mining.plan import make_mining_plan
    from analytics.mining.request import MiningRequest

    names = ["age<40", "age in [40, 60)", "age>=60", "tsh<0.4", "sex=M", "sex='", "cp=4", "ill", "ill=false"]
    context = plan_of().context
    from fractions import Fraction

    request = MiningRequest(
        table="T", items=tuple(names), min_support=Fraction(1, 2), min_confidence=Fraction(1)
    )
    plan = make_mining_plan(request, SCHEMA, context)
    frame = pd.DataFrame(
        {
            "who": ["1", "2", "3", "4", "5"],
            "age": [39, 40, 60, 130, None],  # 130 is clipped to 120
            "tsh": [0.3, 0.4, 0.34, None, 9],
            "plain": [0, 0, 0, 0, 0],
            "sex": ["M", "F", "x", None, "'"],  # x lies outside the domain
            "cp": [4, 1, None, 4, 9],
            "ill": pd.array([True, False, None, None, True], dtype="boolean"),
            "hidden": [True] * 5,
        }
    )
    with open_frame(frame, SCHEMA.tables["t"], site_key=b"k" * 32) as source:
        bitmaps = local_bitmaps(plan, source)
    counts = bitmaps.counts([(number,) for number in range(len(plan.items))])
    found = {item.name: int(count) for item, count in zip(plan.items, counts, strict=True)}
    assert found == {
        "age<40": 1, "age in [40, 60)": 1, "age>=60": 2, "tsh<0.4": 2, "sex=M": 1, "sex='": 1, "cp=4": 2, "ill": 2,
        "ill=false": 1,
    }  # fmt: skip
    assert bitmaps.n_rows == 5
    assert "5" not in repr(bitmaps)
