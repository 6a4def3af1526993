"""Hospitals whose tables differ in units, codes, names and dates, and in the engine that holds them: equal clean rows, equal
exact answers, and equal figures under the noise of private ones."""

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from types import ModuleType

import numpy as np
import pytest

import federation
from analytics.harmonise.reading import read_mapping
from analytics.plans.plan import PlanContext, make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from analytics.sources import CellRules, SourceSpec, open_table
from tests.harmonise import clinics, test_heart_disease
from tests.harmonise.hospital_engines import in_postgresql, in_sas, in_spark, in_sqlite
from tests.harmonise.hospitals import HOSPITALS, VIEWS

CONTEXT = PlanContext(
    n_sites=4, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**9), minimum_cell=0
)
POLICY = {"minimum_cell": 0, "nested_supports": "allow"}


@dataclass(frozen=True)
class World:
    """One data set: its disguises, and which site goes into which engine."""

    module: ModuleType  # has NAMES, SHAPE and published()
    disguises: dict
    sas: str
    postgresql: str
    other: str  # SQLite over SQLAlchemy, or Spark
    n_rows: int
    questions: tuple
    views: dict = field(default_factory=dict)

    def sources(self, folder):
        found = {}
        for name, disguise in self.disguises.items():
            own = folder / name
            own.mkdir()
            text, how = disguise(own)
            (own / "mapping.toml").write_text(text, "utf-8")
            found[name] = SourceSpec(
                kind="csv",
                path=own / f"{name}.csv",
                mapping=read_mapping(own / "mapping.toml"),
                view=self.views.get(name, "SELECT * FROM source"),
                cells=CellRules(decimal=how.pop("decimal", ".")),
                **how,
            )
        return found


WORLDS = {
    "heart_disease": World(
        module=test_heart_disease,
        disguises=HOSPITALS,
        sas="cleveland",
        postgresql="hungary",
        other="switzerland",
        n_rows=920,
        questions=(
            "SELECT COUNT(*) AS n, AVG(age) AS age, STDDEV(chol) AS sd, AVG(trestbps) AS p FROM patients",
            "SELECT cp, disease, COUNT(*) AS n, AVG(oldpeak) AS peak FROM patients GROUP BY cp, disease",
        ),
        views=VIEWS,
    ),
    "thyroid": World(
        module=clinics,
        disguises=clinics.CLINICS,
        sas="svi",
        postgresql="svhc",
        other="stmw",
        n_rows=5496 + 2394 + 956 + 255,
        questions=(
            "SELECT COUNT(*) AS n, AVG(age) AS age, STDDEV(tsh) AS sd, AVG(tt4) AS t4 FROM patients",
            "SELECT sex, on_thyroxine, COUNT(*) AS n, AVG(t3) AS t3 FROM patients GROUP BY sex, on_thyroxine",
        ),
    ),
}


def of_files(world, sources, request):
    return {world.sas: in_sas(sources[world.sas]), world.other: in_sqlite(sources[world.other])}


def of_a_server(world, sources, request):
    there = in_postgresql(request.getfixturevalue("server"), sources[world.postgresql])
    return of_files(world, sources, request) | {world.postgresql: there}


def of_spark(world, sources, request):
    there = in_spark(request.getfixturevalue("cluster"), sources[world.other])
    return of_a_server(world, sources, request) | {world.other: there}


KINDS = {of_files: {"sas", "csv", "sqlalchemy"}}
KINDS[of_a_server] = KINDS[of_files] | {"postgresql"}
KINDS[of_spark] = {"sas", "csv", "postgresql", "spark"}


@pytest.fixture(params=[pytest.param("heart_disease", marks=pytest.mark.slow), "thyroid"], scope="module")
def world(request):
    return WORLDS[request.param]


@pytest.fixture(scope="module")
def sources(world, tmp_path_factory):
    return world.sources(tmp_path_factory.mktemp("sites"))


@pytest.fixture(
    params=[
        of_files,
        pytest.param(of_a_server, marks=pytest.mark.slow),
        pytest.param(of_spark, marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
    ids=lambda each: each.__name__,
    scope="module",
)
def hospitals(request, world, sources):
    found = sources | request.param(world, sources, request)
    assert {each.kind for each in found.values()} == KINDS[request.param]
    return found


def test_clean_rows_are_the_published_ones_and_the_figures_under_the_noise_are_equal(
    world, hospitals, sources
):
    """The plan, with its blocks, sensitivities and noise, is of the schema alone; so equal figures have answers of the same law."""
    schema = Schema.from_dict(world.module.SHAPE)
    table, names = schema.tables["patients"], world.module.NAMES
    asked = [
        make_plan(bind(each, schema), mode="private", epsilon=Fraction(1), context=CONTEXT)
        for each in world.questions
    ]
    for name, spec in hospitals.items():
        with open_table(spec, table, site_key=b"k" * 16, threads=1) as there:
            rows = there.every_row(names)[:, 1:].tolist()
            assert Counter(map(tuple, rows)) == world.module.published(name), name
            if spec is sources[name]:
                continue
            with open_table(sources[name], table, site_key=b"k" * 16, threads=1) as here:
                for plan in asked:
                    figures = [source.local_figures(plan, 60) for source in (there, here)]
                    np.testing.assert_equal(*figures)


@pytest.mark.slow
def test_joint_exact_answers_of_all_engines_are_those_of_the_files(world, hospitals, sources):
    shape = world.module.SHAPE
    with (
        federation.local(hospitals, schema=shape, policy=POLICY, engine="numpy") as there,
        federation.local(sources, schema=shape, policy=POLICY, engine="numpy") as here,
    ):
        for question in world.questions:
            found = [session.sql(question, exact=True).frame for session in (there, here)]
            assert found[0].equals(found[1])
        assert there.sql(world.questions[0], exact=True).frame["n"][0] == world.n_rows
        assert len(there.sql(world.questions[0], epsilon=1).frame) == 1
