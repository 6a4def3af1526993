"""A site's reply to a late scan, a lost database, or an unexpected scan failure."""

import pytest
from hospitals import NAMES

from analytics.errors import LocalTimeoutError, SourceFailedError, SourceLostError
from analytics.sources.engines.duckdb_engine import DuckDBEngine
from federation.errors import FederationError, SiteUnavailableError
from federation.training.estimators import FederatedLogisticRegression
from smpc.errors import SmpcError

COUNT = "SELECT COUNT(*) AS n FROM patients"
CLEVELAND = 303


@pytest.fixture
def cleveland(private_world):
    return private_world.nodes[NAMES[0]]._sources["patients"]


def failing_at(monkeypatch, table, ask):
    """Every scan of one table goes another way; hears how many there were."""
    honest, scans = DuckDBEngine.rows, []

    def rows(self, statement, limit_s):
        if self is not table.engine:
            return honest(self, statement, limit_s)
        scans.append(1)
        return ask(lambda failing: honest(self, failing, limit_s))

    monkeypatch.setattr(DuckDBEngine, "rows", rows)
    return scans


def raising(error):
    def ask(_):
        raise error

    return ask


@pytest.mark.parametrize(
    "error", [LocalTimeoutError(limit_s=1.0), SourceLostError(source="s")], ids=["late", "gone"]
)
def test_a_site_that_is_late_or_has_no_database_gives_zero_and_noise(
    private_world, cleveland, monkeypatch, error
):
    ((whole,),) = private_world.sql(COUNT, epsilon=5, fresh=True).rows
    failing_at(monkeypatch, cleveland, raising(error))
    ((rest,),) = private_world.sql(COUNT, epsilon=5, fresh=True).rows
    assert abs(whole - rest - CLEVELAND) < CLEVELAND / 3
    assert cleveland.is_in_service


def test_an_unexpected_scan_failure_ends_the_run_and_reveals_one_bit_once(
    private_world, cleveland, monkeypatch
):
    """The attack behind it: a row that makes its site's scan fail is there or not, once a question, whatever stands in its place."""
    scans = failing_at(monkeypatch, cleveland, lambda honest: honest("SELECT error('a row')"))
    with pytest.raises((FederationError, SmpcError)) as caught:
        private_world.sql(COUNT, epsilon=1, fresh=True)
    assert not isinstance(caught.value, SourceFailedError)  # its text stays at the site
    before = private_world.budget_rows()
    for ask in ({"epsilon": 1, "fresh": True}, {"exact": True}):
        with pytest.raises(SiteUnavailableError, match="out of service"):
            private_world.sql(COUNT, **ask)
    model = FederatedLogisticRegression(epsilon=2.0, rounds=1)
    with pytest.raises(SiteUnavailableError, match="out of service"):
        model.fit(private_world, table="patients", features=["age"], target="disease")
    assert (private_world.budget_rows(), len(scans)) == (before, 1)
