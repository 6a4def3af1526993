"""What a refusal suggests for a name that is not there, and for forms that a person types first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.errors import PlanRejectedError
from analytics.schema import Schema
from analytics.schema.unknown_names import MOST_LISTED, column_hint
from analytics.statistics.arguments import Arguments
from analytics.statistics.registry import STATISTICS
from federation.cli.outcome import UsageError
from federation.cli.questions.stats import read_arguments

NUMBER = {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1}


def table_of(*names, domain=("F", "M")):
    columns = {"sex": {"type": "categorical", "domain": list(domain)}, **dict.fromkeys(names, NUMBER)}
    body = {"privacy_unit": "row", "max_sites_per_unit": 1, "rows_max": 9, "columns": columns}
    return Schema.from_dict({"tables": {"people": body}}).tables["people"]


def test_a_value_without_quotes_is_taken_for_the_text_that_it_is():
    assert column_hint(table_of("age"), "F", is_sql=True) == "a text stands in single quotes: 'F'"
    assert column_hint(table_of("age"), "F") == "people has sex, age"
    assert column_hint(table_of("age"), "agee", is_sql=True) == "did you mean age?"


@given(n=st.integers(0, 200))
def test_the_columns_are_listed_but_never_without_end(n):
    table = table_of(*(f"v{each}" for each in range(n)))
    said = column_hint(table, "qqqqqqqq")
    assert said.startswith("people has sex")
    assert said.count(",") <= MOST_LISTED - 1
    assert ("more" in said) == (n + 1 > MOST_LISTED)
    if "more" in said:
        assert said.endswith(f"and {n + 1 - MOST_LISTED} more")


@pytest.mark.parametrize(
    ("statistic", "said"),
    [
        ("chi_square", "chi_square takes a=... b=... [correction=...]"),
        ("chisquare", "crossward stats lists the statistics"),
    ],
)
def test_arguments_without_names_are_answered_with_the_names(statistic, said):
    with pytest.raises(UsageError) as caught:
        read_arguments(["sex", "ill"], statistic)
    assert said in str(caught.value)
    assert "NAME=VALUE" in str(caught.value)


def test_a_column_that_must_be_true_or_false_says_how_to_declare_it():
    read = Arguments({"outcome": "sex", "covariates": ["age"]}, STATISTICS["glm"].parameters, "glm")
    with pytest.raises(PlanRejectedError, match='declare type = "boolean"'):
        read.flag_column("outcome", table_of("age"))
