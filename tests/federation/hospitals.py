"""The four hospitals as a consortium of threads or of processes: one interface, so that one suite runs over both."""

import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest

import federation
from federation.network.delay import VARIABLE
from federation.processes.launcher import Launcher
from federation.setup.create import create_consortium
from federation.setup.settings import ConsortiumSettings, SiteSetup, TableSetup
from tests.smpc import pace

DATA = Path(__file__).resolve().parents[2] / "federation" / "demo" / "data"
NAMES = ("cleveland", "hungary", "switzerland", "va_long_beach")
THREE = (
    "hungary",
    "va_long_beach",
    "cleveland",
)  # neither in rank order nor with the first site among those who evaluate
SCHEMA_TEXT = (DATA / "schema.toml").read_text("utf-8")
SCHEMA = tomllib.loads(SCHEMA_TEXT)
VIEW = (DATA / "view.sql").read_text("utf-8")
BUDGET = {
    "epsilon": "40",
    "query": {"share": "0.5"},
    "mining": {"share": "0.25"},
    "training": {"share": "0.25"},
}
POLICY = {
    "exact": True,
    "minimum_cell": 10,
    "exact_requests_per_analyst": 1000,
    "exact_numbers_per_population": 1_000_000,
    "largest_epsilon": "30",
}
BY_SEX = (
    "SELECT sex, COUNT(*) AS patients, AVG(age) AS mean_age, AVG(disease) AS share FROM patients GROUP BY sex"
)


def files():
    return {name: DATA / "heart_disease" / f"{name}.csv" for name in NAMES}


def is_at_once(seconds, deadline_s):
    """Whether a lost party was named before a silent one would be."""
    return pace.is_within(seconds, deadline_s - 0.5)


@contextmanager
def in_threads(*, names=NAMES, budget=BUDGET, policy=POLICY, **settings):
    with federation.local(
        {name: files()[name] for name in names},
        schema=SCHEMA,
        view=VIEW,
        budget=budget,
        policy=policy,
        **settings,
    ) as session:
        yield session


def found(
    folder,
    *,
    names=NAMES,
    budget=BUDGET,
    policy=POLICY,
    deadline_s=30,
    minimum_cell=10,
    helpers=None,
    three_sites=(),
):
    sites = {
        name: SiteSetup(
            tables={"patients": TableSetup(source=files()[name], view=VIEW)}, policy=policy, engine="numpy"
        )
        for name in names
    }
    if helpers is None:
        helpers = () if three_sites else ("dealer",)
    terms = ConsortiumSettings(
        name="hospitals",
        budgets={"cardiology": budget},
        schema=SCHEMA_TEXT,
        deadline_s=deadline_s,
        minimum_cell=minimum_cell,
        helpers=helpers,
        three_sites=three_sites,
    )
    return create_consortium(folder, terms=terms, sites=sites)


@contextmanager
def at_a_distance(delay_ms, folder, **settings):
    """Processes that send every message so much later: time enough to hit a site between its charge and its answer."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, f"{delay_ms}")
        folders = found(folder, **settings)
        nodes = Launcher(folders)
    with nodes, federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session:
        session.nodes_started, session.folders = nodes, folders
        yield session


@contextmanager
def in_processes(folder, **settings):
    folders = found(folder, **settings)
    with (
        Launcher(folders) as nodes,
        federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session,
    ):
        session.nodes_started, session.folders = nodes, folders
        yield session
