"""A preflight: all faults of all sites at once, free, and the same whatever a site's rows are."""

import csv
import io
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import msgspec
import pytest
from hospitals import BUDGET, NAMES, POLICY, SCHEMA, VIEW, files

import federation
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.mining.request import MiningRequest
from analytics.sources import SourceSpec
from federation.client.questions.preflight import Preflights
from federation.errors import RequestRejectedError
from federation.node.clock import installed_version
from federation.protocol.codec import encode
from federation.protocol.messages import Health, PreflightAnswer, PreflightAsk
from federation.training.task import TrainingTask
from smpc.errors import PartyLostError
from tests.federation.failures.test_federation_attacks import COUNT, head, request_of

MEAN = "SELECT sex, AVG(age) AS a FROM patients GROUP BY sex"
MINING = MiningRequest(
    table="patients", items=("fbs", "exang"), min_support=Fraction(1, 10), min_confidence=Fraction(1, 2)
)
TASK = {
    "model": "logistic_regression",
    "table": "patients",
    "features": ("age", "sex"),
    "target": "disease",
    "epsilon": "1",
    "rounds": 2,
}


@contextmanager
def copied(folder, **settings):
    """The four hospitals with files of their own that a test may change."""
    own = {}
    for name, path in files().items():
        own[name] = folder / f"{name}.csv"
        own[name].write_bytes(path.read_bytes())
    specs = {name: SourceSpec(kind="csv", path=path, view=VIEW) for name, path in own.items()}
    how = {"schema": SCHEMA, "budget": BUDGET, "policy": POLICY, "engine": "numpy"} | settings
    with federation.local(specs, **how) as session:
        yield session, own


def asked(session, site, data=b""):
    with session._pool.question([site]) as lines:
        return lines.ask_one(site, PreflightAsk(request=data), PreflightAnswer, timeout_s=20)


def codes(found):
    return [(each.node, each.check, each.code, each.column) for each in found.faults]


def written(path, change):
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8"))))
    change(rows)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


# -- the attack: two neighbouring datasets ------------------------------------------------------------------------


def without_one(rows):
    del rows[5]


def with_a_text_for_a_number(rows):
    rows[5][0] = "old"


def with_a_row_of_another_width(rows):
    rows[5].append("1")


def with_no_row(rows):
    del rows[1:]


def with_one_row(rows):
    del rows[2:]


CHANGES = (
    without_one,
    with_a_text_for_a_number,
    with_a_row_of_another_width,
    with_no_row,
    with_one_row,
)


def test_p19_the_answer_about_two_neighbouring_datasets_is_the_same_bytes(tmp_path):
    """P5, P8: neither a row that would refuse the data nor fewer rows than the minimum cell show in it."""
    with copied(tmp_path) as (session, own):
        site, path = NAMES[0], own[NAMES[0]]
        exact = session._planned(COUNT, None, exact=True, purpose="analysis").data
        private = session._planned(MEAN, 0.5, exact=False, purpose="analysis").data
        whole = path.read_bytes()
        before = [encode(asked(session, site, data)) for data in (b"", exact, private)]
        assert before[0] == encode(PreflightAnswer(refusals=[], faults=[]))
        for change in CHANGES:
            path.write_bytes(whole)
            written(path, change)
            assert [encode(asked(session, site, data)) for data in (b"", exact, private)] == before, change
        written(path, lambda rows: rows[0].__setitem__(0, "alter"))  # a column's name is no row
        assert encode(asked(session, site)) != before[0]


def test_it_costs_nothing_and_leaves_nothing_at_a_site(private_world):
    session = private_world
    session.sql(COUNT, epsilon=0.1)
    before, budget = head(session), session.budget_rows()
    kept = [len(node._admission._known) for node in session.nodes.values()]
    for found in (
        session.preflight(),
        session.preflight(MEAN, epsilon=0.5),
        session.preflight(COUNT, exact=True),
        session.preflight(MINING),
        session.preflight_statistic("chi_square", "sex", "disease", table="patients", exact=True),
        session.preflight(TrainingTask(**TASK)),
    ):
        assert found.is_ready, list(found.lines())
    assert head(session) == before
    assert session.budget_rows() == budget
    assert [len(node._admission._known) for node in session.nodes.values()] == kept
    for node in session.nodes.values():
        assert node._records.refusals.report().refusals == ()


def test_all_faults_of_all_sites_come_at_once(tmp_path):
    policy = POLICY | {"largest_epsilon": "3"}
    with copied(tmp_path, policy=policy) as (session, own):
        own["cleveland"].unlink()
        written(own["hungary"], lambda rows: rows[0].__setitem__(rows[0].index("chol"), "cholesterol"))
        own["switzerland"].write_text("a;b\n1;2\n")
        found = session.preflight(MEAN, epsilon=29)
        said = codes(found)
        for site in NAMES:
            assert (site, "request", "PolicyRefusedError", "") in said
            assert (site, "request", "BudgetExceededError", "") in said
        assert ("cleveland", "data", "source", "") in said
        assert ("hungary", "data", "view", "") in said
        assert ("switzerland", "data", "source", "") in said
        assert len(said) == 11
        text = "\n".join([*found.lines(), str(found.to_dict()), repr(found)])
        for own_word in ("cholesterol", str(tmp_path), ".csv", "semicolon"):
            assert own_word not in text  # a site's own names are for its own administrator
        assert not found.is_ready
        assert list(found.frame.columns)[:3] == ["node", "check", "code"]
        # the rows that were read at the start still answer: nothing was taken out of service
        assert session.sql(MEAN, epsilon=1)


def test_a_column_that_the_harmonised_table_lacks_is_named_by_the_schemas_name(tmp_path):
    view = "SELECT * FROM source"
    schema = {
        "tables": {
            "t": {
                "privacy_unit": "row",
                "rows_max": 100,
                "exact_dimensions": [],
                "columns": {
                    "a": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1},
                    "b": {"type": "boolean"},
                    "c": {"type": "boolean"},
                },
            }
        }
    }
    for name in NAMES:
        (tmp_path / f"{name}.csv").write_text("a,b,c\n1,1,0\n2,0,1\n")
    specs = {name: SourceSpec(kind="csv", path=tmp_path / f"{name}.csv", view=view) for name in NAMES}
    with federation.local(specs, schema=schema) as session:
        (tmp_path / "hungary.csv").write_text("a,bb,cc\n1,1,0\n")
        found = session.preflight("SELECT COUNT(*) FROM t", epsilon=0.5)
        assert codes(found) == [
            ("hungary", "data", "column-missing", "b"),
            ("hungary", "data", "column-missing", "c"),
        ]
        assert "FIX hungary: data t.b: the site's data do not give this column" in "\n".join(found.lines())


# -- who may ask, and what is refused ------------------------------------------------------------------------------


def test_only_an_analyst_may_ask_and_only_in_their_own_name(private_world):
    session = private_world
    other = request_of(session, analyst="mallory").to_bytes()
    (refusal,) = asked(session, NAMES[1], other).refusals
    assert refusal.code == "RequestRejectedError"
    assert "own name" in str(refusal.fields["reason"])
    node = session.nodes[NAMES[1]]
    channel = SimpleNamespace(peer="vera", role="auditor", key="")
    with pytest.raises(RequestRejectedError, match="only an analyst"):
        node._request_handler._request(PreflightAsk(), channel, None)


def test_what_cannot_be_planned_is_said_before_any_site_is_asked(private_world):
    with pytest.raises(PlanRejectedError):
        private_world.preflight("SELECT nothing FROM patients", epsilon=1)
    with pytest.raises(InvalidRequestError):
        private_world.preflight(MEAN)
    with pytest.raises(InvalidRequestError, match="must be SQL"):
        private_world.preflight(7)


def test_a_request_of_another_plan_is_refused_by_every_site(private_world):
    session = private_world
    wrong = replace(request_of(session), plan="1" * 64).to_bytes()
    assert [refusal.code for refusal in asked(session, NAMES[0], wrong).refusals] == ["RequestRejectedError"]


def test_a_site_that_is_gone_hides_no_fault_of_another(tmp_path):
    with copied(tmp_path) as (session, own):
        own["hungary"].unlink()
        session.nodes["va_long_beach"].close()
        found = session.preflight()
        assert ("hungary", "data", "source", "") in codes(found)
        assert [each.check for each in found.faults if each.node == "va_long_beach"] == ["reachable"]


def test_an_agreement_that_an_entry_changed_is_said(private_world):
    node = private_world.nodes[NAMES[2]]
    node.replica.core.state.agreements = SimpleNamespace(configuration=lambda _: "f" * 64, basis=7)
    assert "entry 7 changed the agreement" in str(asked(private_world, NAMES[2]).refusals[0].fields)


# -- what nodes say of themselves, and a site that lies ------------------------------------------------------------


class Asking(Preflights):
    """A session whose nodes answer as a test says."""

    def __init__(self, healths, answers, schema):
        names = tuple(answers)
        self.consortium = self._founded = SimpleNamespace(
            names=names, configuration=lambda: "ab" * 32, schema=schema, file=None
        )
        self._answer_s, self._healths, self._answers = 1.0, healths, answers
        self._pool = SimpleNamespace(question=self._question)

    @contextmanager
    def _question(self, names):
        def ask(name, message, kind, timeout_s):
            found = (self._answers if isinstance(message, PreflightAsk) else self._healths)[name]
            if isinstance(found, Exception):
                raise found
            return found

        yield SimpleNamespace(ask_one=ask)


def health(name, **changes):
    import time

    good = Health(
        name=name,
        role="site",
        version=installed_version(),
        configuration="ab" * 32,
        clock_s=int(time.time()),
        is_ready=True,
        reason="",
        engine="crypten",
        ledger_number=4,
        ledger_head="cd" * 32,
        hears={"anna": True, "bert": True, "dealer": True},
    )
    return msgspec.structs.replace(good, **changes)


FINE = PreflightAnswer(refusals=[], faults=[])


@pytest.mark.parametrize(
    ("change", "code", "is_fault"),
    [
        ({"version": "0.0.1"}, "version", False),
        ({"configuration": "cd" * 32}, "agreement", True),
        ({"clock_s": 0}, "clock", True),
        ({"is_ready": False, "reason": "bert has not answered"}, "not-ready", True),
        ({"hears": {"bert": True, "dealer": False}}, "unheard", True),
        ({"hears": {"bert": False, "dealer": True}}, "unheard", True),
        ({"hears": {"bert": True, "dealer": True, "keyholder": False}}, None, False),  # not needed
        (PartyLostError(name="anna"), "PartyLostError", True),
    ],
)
def test_state_of_a_node(change, code, is_fault):
    own = change if isinstance(change, Exception) else health("anna", **change)
    session = Asking(
        {"anna": own, "bert": health("bert"), "dealer": health("dealer")}, {"anna": FINE, "bert": FINE}, None
    )
    found = session._preflight(b"", ("dealer",))
    assert [each.code for each in found.findings] == ([] if code is None else [code])
    assert found.is_ready is not is_fault
    assert found.nodes == ("anna", "bert", "dealer")


def test_a_site_cannot_put_names_of_its_own_on_the_analysts_screen():
    columns = {"age": None}
    schema = SimpleNamespace(tables={"t": SimpleNamespace(columns=columns)})
    lies = [
        {"table": "t", "code": "column-missing", "column": "Jane Doe"},
        {"table": "\x1b[2J", "code": "column-missing", "column": "age"},
        {"table": "t", "code": "Jane Doe", "column": "age"},
        {},
    ]
    answers = {"anna": PreflightAnswer(refusals=[], faults=lies), "bert": FINE}
    session = Asking({name: health(name) for name in answers}, answers, schema)
    found = session._preflight(b"", ())
    assert [(each.table, each.column, each.code) for each in found.faults] == [
        ("t", "", "column-missing"),
        ("", "", "column-missing"),
        ("t", "age", "unknown"),
        ("", "", "unknown"),
    ]
    assert "Jane" not in str(found.to_dict())


def test_a_frame_of_this_process_has_no_source_to_check(tmp_path):
    import pandas as pd

    schema = {"tables": {"t": {"privacy_unit": "row", "rows_max": 9, "columns": {"b": {"type": "boolean"}}}}}
    frames = {name: pd.DataFrame({"b": [True, False]}) for name in NAMES}
    with federation.local(frames, schema=schema) as session:
        assert session.preflight("SELECT COUNT(*) FROM t", epsilon=0.5).is_ready
