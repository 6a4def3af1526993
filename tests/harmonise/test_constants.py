"""Constants over all sites: what is released, what is written into a mapping, and that each site then applies the same."""

from fractions import Fraction

import pandas as pd
import pytest

import federation
from analytics.errors import InvalidRequestError
from analytics.harmonise.constants import Released, constants_of, needs_of, written
from analytics.harmonise.reading import read_mapping
from analytics.schema import NumericColumn
from federation.client.fitting import Fitted, fit_constants
from federation.errors import SiteUnavailableError
from privacy_accounting.errors import BudgetExceededError

AGE = NumericColumn(
    name="age",
    lower=Fraction(0),
    upper=Fraction(100),
    resolution=Fraction(1, 10),
    bins=tuple(map(Fraction, range(0, 101, 10))),
    nullable=True,
)


def test_constants_follow_from_released_figures_and_the_schema():
    found = Released(quartiles=(Fraction(35), Fraction(45), Fraction(65)), basis="x")
    made = constants_of(AGE, ["median", "iqr", "min_max"], found)
    assert made == {
        "missing": {"rule": "constant", "value": "45", "basis": "x"},
        "range": {"low": "-10", "high": "110", "basis": "x"},
        "scale": {"centre": "0", "scale": "100", "basis": "the schema's bounds"},
    }
    found = Released(mean=Fraction("51.26"), deviation=Fraction("9.5"))
    made = constants_of(AGE, ["mean", "z_fences", "z_score"], found)
    assert made["missing"]["value"] == "51.3"
    assert (made["range"]["low"], made["range"]["high"]) == ("22.8", "79.8")
    assert made["scale"] == {"centre": "51.26", "scale": "9.5"}
    assert (
        constants_of(AGE, ["mean"], Released(mean=Fraction(-5)))["missing"]["value"] == "0"
    )  # within the bounds


@pytest.mark.parametrize(
    ("fits", "reason"),
    [
        (["mode"], "a fit is one of"),
        ([], "a fit is one of"),
        (["median", "mean"], "the same key"),
        (["iqr", "z_fences"], "the same"),
    ],
)
def test_fits_that_are_unknown_or_collide_are_refused(fits, reason):
    with pytest.raises(InvalidRequestError, match=reason):
        needs_of(AGE, fits)
    plain = NumericColumn(name="w", lower=Fraction(0), upper=Fraction(9), resolution=Fraction(1))
    with pytest.raises(InvalidRequestError, match="need declared bins"):
        needs_of(plain, ["median"])


MAPPING = """version = 1
# ours
[table.columns.age]
type = "number"   # years
[table.missing.age]
rule = "drop"
"""


def test_constants_are_written_into_a_mapping_and_everything_else_stays(tmp_path):
    made = {
        "age": constants_of(
            AGE, ["median", "iqr", "min_max"], Released(quartiles=(Fraction(35),) * 3, basis="b")
        )
    }
    text = written(MAPPING, made)
    assert "# ours" in text
    assert "# years" in text
    (tmp_path / "m.toml").write_text(text)
    block = read_mapping(tmp_path / "m.toml").file.table
    assert block.missing["age"].rule == "constant"
    assert block.missing["age"].value == "35"
    assert (block.columns["age"].range.low, block.columns["age"].range.outside) == (35, "missing")
    assert block.scale["age"].scale == 100
    assert written(text, made) == text  # a second time changes nothing


def test_a_range_is_written_where_its_column_is(tmp_path):
    from analytics.harmonise.constants import check_mapping_takes

    text = (
        'version = 1\n[table.columns.w]\ntype = "number"\n[table.columns.t]\n[table.derive]\nage = "w * 2"\n'
    )
    (tmp_path / "m.toml").write_text(text)
    file = read_mapping(tmp_path / "m.toml").file
    for name in ("t", "none"):
        with pytest.raises(InvalidRequestError, match="a range needs"):
            check_mapping_takes(file, {name: ["iqr"]})
    check_mapping_takes(file, {"age": ["iqr"], "w": ["z_fences"], "t": ["mean"]})
    made = {"age": constants_of(AGE, ["iqr"], Released(quartiles=(Fraction(35),) * 3))}
    (tmp_path / "m.toml").write_text(written(text, made))
    derived = read_mapping(tmp_path / "m.toml").file.table.derive["age"]
    assert (derived.expression, derived.range.low) == ("w * 2", 35)


SCHEMA = {
    "tables": {
        "patients": {
            "privacy_unit": "row",
            "max_rows_per_unit": 1,
            "max_sites_per_unit": 1,
            "rows_max": 1000,
            "columns": {
                "age": {
                    "type": "numeric",
                    "lower": 0,
                    "upper": 100,
                    "resolution": "0.1",
                    "bins": [*range(0, 101, 10)],
                    "nullable": True,
                },
                "sex": {"type": "categorical", "domain": ["F", "M"]},
            },
        }
    }
}


@pytest.fixture(scope="module")
def frames():
    ages = {name: [40 + (7 * place + shift) % 21 for place in range(300)] for shift, name in enumerate("abc")}
    return {name: pd.DataFrame({"age": own, "sex": "F"}) for name, own in ages.items()}


def test_each_release_is_an_ordinary_charge_and_together_they_cost_the_epsilon_that_was_asked(frames):
    with federation.local(frames, schema=SCHEMA) as session:
        before = session.budget()
        found = fit_constants(session, "patients", {"age": ["median", "z_score"]}, epsilon=Fraction(2))
        assert found.releases == ["age: moments, epsilon 1", "age: quantiles, epsilon 1"]
        made = found.constants["age"]
        assert 40 <= float(made["missing"]["value"]) <= 60
        # the rows have 48 and 5.8; the noise of epsilon 1 on 900 rows is about 0.5 and 2
        assert float(made["scale"]["centre"]) == pytest.approx(48, abs=5)
        assert 0 <= float(made["scale"]["scale"]) <= 18
        assert "ledger entry" in made["scale"]["basis"]
        assert not session.budget().equals(before)


def test_what_the_schema_refuses_is_refused_before_any_charge_and_min_max_is_free(frames):
    with federation.local(frames, schema=SCHEMA) as session:
        before = session.budget()
        for fits in ({"sex": ["mean"]}, {"nothing": ["mean"]}, {"age": ["mean"], "sex": ["mean"]}):
            with pytest.raises(InvalidRequestError, match="no numeric column"):
                fit_constants(session, "patients", fits, epsilon=Fraction(1))
        made = fit_constants(session, "patients", {"age": ["min_max"]}, epsilon=Fraction(1))
        assert made.constants["age"]["scale"]["centre"] == "0"
        assert session.budget().equals(before)


def test_what_was_paid_for_is_kept_where_a_later_release_is_refused(frames):
    second = {"tables": {"patients": {**SCHEMA["tables"]["patients"]}}}
    second["tables"]["patients"]["columns"] = {
        **SCHEMA["tables"]["patients"]["columns"],
        "weight": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1, "nullable": True},
    }
    own = {name: frame.assign(weight=70) for name, frame in frames.items()}
    budget = {"epsilon": "1.5", "delta": "0.000001", "query": {"share": "1"}}
    with federation.local(own, schema=second, budget=budget) as session:
        done = Fitted()
        with pytest.raises((BudgetExceededError, SiteUnavailableError)):
            fit_constants(
                session, "patients", {"age": ["mean"], "weight": ["mean"]}, epsilon=Fraction(5, 2), into=done
            )
        assert list(done.constants) == ["age"]


def test_the_command_writes_the_constants_into_mappings_and_prints_them(frames, tmp_path, monkeypatch):
    import contextlib

    from federation.cli import harmonise
    from tests.cli.conftest import crossward

    path = tmp_path / "m.toml"
    path.write_text(MAPPING)
    with federation.local(frames, schema=SCHEMA) as session:
        monkeypatch.setattr(harmonise, "open_session", lambda *_: contextlib.nullcontext(session))
        before = session.budget()
        ran = crossward("harmonise", "fit", "age=median", "age=mean", "-c", str(tmp_path), "--epsilon", "1")
        assert ran.code == 2
        assert "each column once" in ran.err
        (tmp_path / "bad.toml").write_text("version = 2\n")
        bad = ("--mapping", str(tmp_path / "bad.toml"))
        assert (
            crossward("harmonise", "fit", "age=mean", "-c", str(tmp_path), "--epsilon", "1", *bad).code == 1
        )
        assert session.budget().equals(before)  # nothing was charged
        ran = crossward(
            "harmonise", "fit", "age=mean", "-c", str(tmp_path), "--epsilon", "1", "--mapping", str(path)
        )
        assert ran.code == 0, ran.err
        assert "released age: moments, epsilon 1" in ran.err
    own = read_mapping(path).file.table.missing["age"]
    assert own.rule == "constant"
    assert own.value in ran.out
    assert "ledger entry" in own.basis
