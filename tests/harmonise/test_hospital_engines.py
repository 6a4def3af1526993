"""Four hospitals whose tables differ in units, codes, names and dates, and in the engine that holds them: equal clean rows, equal
exact answers, and equal figures under the noise of private ones."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

import federation
from analytics.plans.plan import PlanContext, make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from analytics.sources import open_table
from tests.harmonise.hospital_engines import in_postgresql, in_sas, in_spark, in_sqlite
from tests.harmonise.test_heart_disease import NAMES, SHAPE, TABLE, published, sources

__all__ = ["sources"]  # the hospitals as files of text

CONTEXT = PlanContext(
    n_sites=4, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**9), minimum_cell=0
)
QUESTIONS = (
    "SELECT COUNT(*) AS n, AVG(age) AS age, STDDEV(chol) AS sd, AVG(trestbps) AS p FROM patients",
    "SELECT cp, disease, COUNT(*) AS n, AVG(oldpeak) AS peak FROM patients GROUP BY cp, disease",
    "SELECT COUNT(*) AS n, AVG(thalach) AS rate FROM patients WHERE exang AND age >= 50",
)
POLICY = {"minimum_cell": 0, "nested_supports": "allow"}


def of_files(sources, request):
    return {"cleveland": in_sas(sources["cleveland"]), "switzerland": in_sqlite(sources["switzerland"])}


def of_a_server(sources, request):
    return of_files(sources, request) | {"hungary": in_postgresql(request.getfixturevalue("server"), sources["hungary"])}


def of_spark(sources, request):
    there = in_spark(request.getfixturevalue("cluster"), sources["switzerland"])
    return of_a_server(sources, request) | {"switzerland": there}


KINDS = {of_files: {"sas", "csv", "sqlalchemy"}}
KINDS[of_a_server] = KINDS[of_files] | {"postgresql"}
KINDS[of_spark] = {"sas", "csv", "postgresql", "spark"}


@pytest.fixture(
    params=[
        of_files,
        pytest.param(of_a_server, marks=pytest.mark.slow),
        pytest.param(of_spark, marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
    ids=lambda each: each.__name__,
    scope="module",
)
def hospitals(request, sources):
    found = sources | request.param(sources, request)
    assert {each.kind for each in found.values()} == KINDS[request.param]
    return found


def plans():
    schema = Schema.from_dict(SHAPE)
    return [
        make_plan(bind(each, schema), mode="private", epsilon=Fraction(1), context=CONTEXT) for each in QUESTIONS
    ]


def test_the_clean_rows_and_all_figures_under_the_noise_are_those_of_the_published_files(hospitals, sources):
    """The plan, with its blocks, sensitivities and noise, is of the schema alone; so equal figures have answers of the same law."""
    asked = plans()
    for name, spec in hospitals.items():
        with open_table(spec, TABLE, site_key=b"k" * 16, threads=1) as there:
            rows = there.every_row(NAMES)[:, 1:].tolist()
            assert Counter(map(tuple, rows)) == published(name), name
            if spec is sources[name]:
                continue
            with open_table(sources[name], TABLE, site_key=b"k" * 16, threads=1) as here:
                for plan in asked:
                    figures = [source.local_figures(plan, 60) for source in (there, here)]
                    np.testing.assert_equal(*figures)


@pytest.mark.slow
def test_joint_exact_answers_of_all_engines_are_those_of_the_files(hospitals, sources):
    with (
        federation.local(hospitals, schema=SHAPE, policy=POLICY, engine="numpy") as there,
        federation.local(sources, schema=SHAPE, policy=POLICY, engine="numpy") as here,
    ):
        for question in QUESTIONS:
            found = [session.sql(question, exact=True).frame for session in (there, here)]
            assert found[0].equals(found[1])
        assert there.sql(QUESTIONS[0], exact=True).frame["n"][0] == 920
        assert len(there.sql(QUESTIONS[0], epsilon=1).frame) == 1
