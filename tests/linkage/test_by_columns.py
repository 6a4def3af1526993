"""Tables by columns: two columns of the same patients at two sites, against the pooled table (P8, P18)."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import federation
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.linkage.by_columns import over_two_sites
from analytics.linkage.column_groups import groups_of
from analytics.schema import Schema
from analytics.sql.grouping import labels_of
from analytics.sql.query import GroupKey
from analytics.statistics.arguments import Arguments
from analytics.statistics.base import Limits
from analytics.statistics.blocks import MISSING
from analytics.statistics.registry import STATISTICS
from federation.errors import PolicyRefusedError
from smpc.operations.inputs import contribute
from smpc.operations.reveal import reveal_to_all
from smpc.simulator import simulate

TABLE = {
    "privacy_unit": "pid",
    "rows_max": 300,
    "exact_dimensions": ["ill", "dose", "drug", "sex"],
    "link_form": ["casefold"],
    "columns": {
        "pid": {"type": "identifier"},
        "ill": {"type": "boolean"},
        "dose": {"type": "numeric", "lower": 0, "upper": 90, "resolution": 10, "bins": [0, 30, 60, 90]},
        "drug": {"type": "categorical", "domain": ["a", "b", "c"], "nullable": True},
        "sex": {"type": "categorical", "domain": ["f", "m"]},
        "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
    },
}
POLICY = {"minimum_cell": 5, "linkage": ["ada", "bob", "cyd"], "exact_vertical": True}


def people():
    """Patients of a region: all columns; each site holds a part of the rows and of the columns."""
    rng = np.random.default_rng(17)
    n = 260
    ill = rng.random(n) < 0.5
    drug = np.where(rng.random(n) < 0.25, None, rng.choice(["a", "b", "c"], n))
    sex = np.where(rng.random(n) < np.where(ill, 0.7, 0.35), "f", "m")
    dose = rng.integers(0, 10, n) * 10
    return pd.DataFrame(
        {"pid": [f"P{n:03}" for n in range(n)], "ill": ill, "drug": drug, "sex": sex, "dose": dose, "age": 50}
    )


def held(frame, columns, spelling=str):
    """What one site has: the other columns are of other people's records, here constants."""
    part = frame.copy()
    for name, value in (("ill", True), ("drug", "a"), ("sex", "f"), ("dose", 0)):
        if name not in columns:
            part[name] = value
    return part.assign(pid=part["pid"].map(spelling))


@pytest.fixture(scope="module")
def pooled():
    frame = people()
    return frame.iloc[60:220]


@pytest.fixture(scope="module")
def session():
    frame = people()
    rows = {
        "ada": held(frame.iloc[:220], ["ill", "dose"]),
        "bob": held(frame.iloc[60:].sample(frac=1, random_state=1), ["drug", "sex"], str.lower),
        "cyd": held(frame.iloc[:30], []),
    }
    with federation.local(
        rows, schema={"tables": {"patients": TABLE}}, policy=POLICY, engine="numpy"
    ) as opened:
        table = opened.table("patients")
        with pytest.raises(PolicyRefusedError, match="link its patients with"):
            table.linked({"ill": "ada", "sex": "bob"}).crosstab("ill", "sex", exact=True)
        assert table.link(["ada", "bob"], exact=True).count == 160
        table.link(["ada", "cyd"], exact=True, learns="count")
        yield opened


def table_of(frame, rows, columns):
    return pd.crosstab(frame[rows], frame[columns]).to_numpy().ravel().tolist()


@pytest.mark.parametrize("engine_pair", [("ill", "sex"), ("sex", "ill")])
def test_a_table_is_that_of_the_pooled_patients(session, pooled, engine_pair):
    at = {"ill": "ada", "sex": "bob"}
    found = session.table("patients").linked(at).crosstab(*engine_pair, exact=True)
    assert list(found.counts) == table_of(pooled, *engine_pair)
    assert found.margins[""] == (160.0,)
    assert found.closed == ""
    assert found.cost["max_sites_per_unit"] == 1
    assert "ada and bob" in found.cost["linkage_key"]


def test_chi_square_is_scipys(session, pooled):
    found = (
        session.table("patients").linked({"ill": "ada", "sex": "bob"}).chi_square("ill", "sex", exact=True)
    )
    reference = stats.chi2_contingency(pd.crosstab(pooled["ill"], pooled["sex"]))
    assert found.statistic == pytest.approx(reference.statistic)
    assert found.pvalue == pytest.approx(reference.pvalue)


def test_bins_and_missing_values_are_groups(session, pooled):
    found = (
        session.table("patients").linked({"dose": "ada", "drug": "bob"}).crosstab("dose", "drug", exact=True)
    )
    bins = pd.cut(pooled["dose"], [-1, 29, 59, 90], labels=False)
    assert list(found.counts) == pd.crosstab(bins, pooled["drug"]).to_numpy().ravel().tolist()


def test_one_small_cell_closes_the_whole_table(pooled):
    """A site knows the margin of its own column among the linked patients: with three cells it had the fourth."""
    frame = people().iloc[60:220].copy()
    frame["sex"] = ["f"] * 4 + ["m"] * 156
    frame["ill"] = [True] * 80 + [False] * 80
    assert sorted(table_of(frame, "ill", "sex")) == [0, 4, 76, 80]
    rows = {"ada": held(frame, ["ill"]), "bob": held(frame, ["sex"]), "cyd": held(frame.iloc[:5], [])}
    with federation.local(
        rows, schema={"tables": {"patients": TABLE}}, policy=POLICY, engine="numpy"
    ) as opened:
        table = opened.table("patients")
        table.link(["ada", "bob"], exact=True)
        at = {"ill": "ada", "sex": "bob"}
        cells = table.linked(at).crosstab("ill", "sex", exact=True)
        test = table.linked(at).chi_square("ill", "sex", exact=True)
    assert cells.closed == test.closed == "minimum_cell"
    assert set(cells.counts) == {None}
    assert all(count is None for margin in cells.margins.values() for count in margin)
    assert test.statistic is None


def entries(session):
    return session.nodes["ada"].replica.head


@pytest.mark.parametrize(
    ("statistic", "at", "arguments", "parameter"),
    [
        ("crosstab", {"ill": "ada"}, ("ill", "sex"), "at"),
        ("crosstab", {"ill": "ada", "sex": "ada"}, ("ill", "sex"), "at"),
        ("crosstab", {"ill": "ada", "sex": "eve"}, ("ill", "sex"), "at"),
        ("crosstab", {"ill": "ada", "drug": "bob"}, ("ill", "sex"), "at"),
        ("crosstab", {"ill": "ada", "sex": "bob", "drug": "bob"}, ("ill", "sex", "drug"), "statistic"),
        ("t_test", {"ill": "ada", "age": "bob"}, ("age", "ill"), "statistic"),
        ("no_such", {"ill": "ada", "sex": "bob"}, ("ill", "sex"), "statistic"),
    ],
)
def test_what_cannot_be_asked_is_named_and_spends_nothing(session, statistic, at, arguments, parameter):
    before = entries(session)
    with pytest.raises((InvalidRequestError, PlanRejectedError)) as refused:
        session.statistic_by_columns(statistic, *arguments, table="patients", at=at, exact=True)
    if isinstance(refused.value, InvalidRequestError):
        assert refused.value.parameter == parameter
    assert entries(session) == before


def test_a_private_table_by_columns_is_refused_until_no_site_learns_the_members(session):
    with pytest.raises(InvalidRequestError, match="must be exact"):
        session.table("patients").linked({"ill": "ada", "sex": "bob"}).crosstab("ill", "sex", epsilon=1)


def test_a_pair_that_learnt_the_number_alone_has_no_common_rows(session):
    with pytest.raises(PolicyRefusedError, match="link its patients with"):
        session.table("patients").linked({"ill": "ada", "sex": "cyd"}).crosstab("ill", "sex", exact=True)


def test_each_of_the_two_sites_must_permit_columns_beside_anothers():
    frame = people()
    rows = dict.fromkeys(("ada", "bob", "cyd"), frame.iloc[:40])
    policy = {**POLICY, "exact_vertical": False}
    with federation.local(
        rows, schema={"tables": {"patients": TABLE}}, policy=policy, engine="numpy"
    ) as opened:
        before = entries(opened)
        with pytest.raises(PolicyRefusedError, match=r"policy\.exact_vertical"):
            opened.table("patients").linked({"ill": "ada", "sex": "bob"}).crosstab("ill", "sex", exact=True)
        assert entries(opened) == before


def test_an_explanation_names_both_sites_and_what_opens(session):
    linked = session.table("patients").linked({"ill": "ada", "sex": "bob"})
    shown = linked.explain("crosstab", "ill", "sex", exact=True)
    assert "'sex': 'bob'" in shown.text
    assert shown.to_dict()["arguments"]["at"] == {"ill": "ada", "sex": "bob"}
    assert shown.to_dict()["threshold"] == 5


def bound(rows=12, first="ill", second="sex"):
    table = Schema.from_dict({"tables": {"patients": TABLE}}).tables["patients"]
    limits = Limits(n_sites=3, sites_per_unit=1, minimum_cell=2, rows_max=rows)
    kind = STATISTICS["crosstab"]
    inner = kind.bind(
        table, Arguments({"a": first, "b": second}, kind.parameters, "crosstab"), "exact", limits
    )
    return over_two_sites(inner, ("ada", "bob"), limits)


def test_on_shares_the_counts_are_products_and_no_frame_differs_in_length():
    from analytics.linkage.by_columns import bits_at_site

    plan = bound()
    step = plan.every_step()[0]
    rng = np.random.default_rng(3)
    lengths = set()
    for n_linked in (0, 4, 12):
        one, other = rng.integers(0, 2, n_linked), rng.integers(0, 2, n_linked)
        places = rng.permutation(n_linked)

        def joint(session, one=one, other=other, places=places):
            site = session.names[session.rank]
            order = np.argsort(places) if site == "bob" else np.arange(len(places))
            where = places[order] if site == "bob" else places
            groups = {"ada": one, "bob": other[order]}.get(site, one)
            own = bits_at_site(plan, site, where, groups)
            return reveal_to_all(session, step.joint(session, contribute(session, own)))

        run = simulate(joint, 3)
        opened = run.values()[0]
        cells = np.array([((one == i) & (other == j)).sum() for i in range(2) for j in range(2)])
        is_open = bool((cells >= 2).all())
        assert opened[-1] == is_open
        assert opened[:-1].tolist() == (cells if is_open else 0 * cells).tolist()
        lengths.add(tuple(sorted(run.counters["ada"].bytes_sent.items())))
    assert len(lengths) == 1


def test_groups_are_those_of_the_schema():
    table = Schema.from_dict({"tables": {"patients": TABLE}}).tables["patients"]

    def group(name, values):
        column = table.columns[name]
        return groups_of(GroupKey(column=column, labels=labels_of(column)), np.array(values)).tolist()

    assert group("dose", [0, 2, 3, 5, 6, 9, MISSING]) == [0, 0, 1, 1, 2, 2, -1]
    assert group("drug", [0, 2, MISSING]) == [0, 2, 3]
    assert group("ill", [0, 1, MISSING]) == [0, 1, -1]
