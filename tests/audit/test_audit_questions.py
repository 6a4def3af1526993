"""The statement says what was asked, checked against the ledger's hashes; a changed text is named and never shown."""

import csv
import io
import json
import math
import secrets
import tomllib
from datetime import UTC, date, datetime
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crossward
import federation
from analytics.errors import InvalidRequestError
from federation.audit import account, kept_texts, moments
from federation.errors import ConfigError, PolicyRefusedError
from federation.protocol.request import Request, request_hash
from federation.requests.question_text import question_text
from privacy_accounting.audit.selection import Selection
from privacy_accounting.audit.statement import Line, Statement
from privacy_accounting.budget.totals import readable
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.cli.conftest import crossward as command
from tests.operations.operations_world import SITES
from tests.setup.setup_world import SCHEMA as BASE

FRAME = pd.DataFrame({"age": [40, 50, 60] * 20, "sex": [0, 1, 1] * 20, "ill": [False, True] * 30})
SCHEMA = BASE.rstrip() + '\nill = { type = "boolean" }\n'
BY_SEX = "SELECT sex,\n  COUNT(*) AS n FROM visits GROUP BY sex"
TASK = {"table": "visits", "features": ["age"], "target": "sex", "epsilon": 1, "rounds": 3}
BUDGET = {"epsilon": "4", "query": {"share": "0.5"}, "training": {"share": "0.5"}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A ledger with private, exact and trained answers, the texts of every site, and a consortium file."""
    folder = tmp_path_factory.mktemp("audit")
    stores = {name: SqliteStore(folder / f"{name}.sqlite", owner=name) for name in SITES}
    policy = {"exact": True, "largest_epsilon": "2", "exact_requests_per_analyst": 20}
    with federation.local(
        dict.fromkeys(SITES, FRAME),
        schema=tomllib.loads(SCHEMA),
        policy=policy,
        budget=BUDGET,
        stores=stores,
        deadline_s=10,
        engine="numpy",
    ) as session:
        session.sql(BY_SEX, epsilon=0.5, purpose="=cmd")
        session.sql(BY_SEX, exact=True)
        session.train(crossward.TrainingTask(**TASK))
        session.table("visits").chi_square("sex", "ill", epsilon=0.25, purpose="named")
        for site in SITES:
            texts = session.nodes[site]._records.texts.page().texts
            lines = [kept_texts.text_line(site, *pair) for pair in texts.items()]
            (folder / f"{site}.jsonl").write_text("\n".join(lines) + "\n")
        consortium = session.consortium
    return folder, consortium


def account_at(world, *names, **selection):
    folder, consortium = world
    kept = kept_texts.load_texts([folder / name for name in names])
    from privacy_accounting.audit.statement import statement

    return account.account_of(
        statement(folder / "anna.sqlite"), kept, consortium=consortium, selection=Selection(**selection)
    )


def test_each_line_has_question_epsilon_accuracy_and_price(world):
    lines = account_at(world, "anna.jsonl").lines
    assert [line.kind for line in lines] == ["genesis", "charge", "exact", "training", "charge"]
    _, private, exact, trained, named = lines
    assert private.question == "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"
    assert (private.epsilon, private.purpose, private.text) == ("0.5", "=cmd", "kept")
    assert float(private.price) > 0
    assert (exact.question, exact.epsilon, exact.accuracy) == (private.question, "", "exact, no noise")
    assert (trained.rounds, trained.attempts, trained.number, trained.last) == (3, 3, 3, 5)
    for part in ("train:", "features = [age]", "target = sex", "rounds = 3", "clip_norm = 1"):
        assert part in trained.question
    assert trained.epsilon == "1"
    assert trained.accuracy.startswith("each sum ± ")
    assert named.question == "chi_square(a = sex, b = ill) of visits"


def test_the_accuracy_is_the_spread_of_the_answer_itself(world):
    """An oracle: the noise that the plan adds at each site, put together by hand."""
    folder, consortium = world
    from federation.requests.planning import plan_request

    kept = kept_texts.load_texts([folder / "anna.jsonl"])
    line = account_at(world, "anna.jsonl").lines[1]
    plan = plan_request(kept.texts[line.request], consortium).work.plan
    (block,) = plan.blocks
    deviation = math.sqrt(len(SITES) * block.sigma2_local) / block.weight
    assert line.accuracy == f"n ± {deviation:.3g}"


def test_the_sum_of_a_training_is_what_the_ledger_has_spent(world):
    found = account_at(world, "anna.jsonl")
    (trained,) = [line for line in found.lines if line.kind == "training"]
    (spent,) = [part.spent for part in found.remaining if part.sub_budget == "training"]
    assert trained.price == spent


def test_without_texts_or_under_another_file_nothing_is_guessed(world):
    folder, consortium = world
    from privacy_accounting.audit.statement import statement

    bare = account.account_of(statement(folder / "anna.sqlite"))
    asked = [line for line in bare.lines if line.request]
    assert {(line.question, line.epsilon, line.accuracy, line.text) for line in asked} == {
        ("", "", "", "missing")
    }
    object.__setattr__(
        other := type(consortium)(
            file=consortium.file.model_copy(update={"minimum_cell": 11}),
            schema=consortium.schema,
            authority_pem=b"",
        ),
        "schema",
        consortium.schema,
    )
    kept = kept_texts.load_texts([folder / "anna.jsonl"])
    lines = account.account_of(statement(folder / "anna.sqlite"), kept, consortium=other).lines
    assert [line.accuracy for line in lines if line.kind in {"charge", "training"}] == ["", "", ""]


# -- changed texts -----------------------------------------------------------------------------------------------


def changed_copy(folder, name, out, change):
    lines = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    (folder / out).write_text("".join(json.dumps(change(line)) + "\n" for line in lines))


def test_a_text_changed_on_disk_is_named_and_never_shown(world):
    """The attack: an administrator, or who copied the file, hides what was asked behind a harmless text."""
    folder, _ = world
    changed_copy(
        folder,
        "bert.jsonl",
        "lies.jsonl",
        lambda line: line | {"request": line["request"].replace("sex", "age")},
    )
    alone = account_at(world, "lies.jsonl").lines[1]
    assert (alone.question, alone.epsilon, alone.text) == ("", "", "changed at bert")
    beside = account_at(world, "anna.jsonl", "lies.jsonl").lines[1]
    assert beside.question.startswith("SELECT sex")
    assert beside.text == "kept; changed at bert"


def test_a_text_under_another_request_s_hash_is_changed_too(world):
    """The attack: swap two real texts."""
    folder, _ = world
    lines = [json.loads(line) for line in (folder / "bert.jsonl").read_text().splitlines()]
    first, second = lines[0]["request"], lines[1]["request"]
    lines[0]["request"], lines[1]["request"] = second, first
    (folder / "swapped.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = account_at(world, "swapped.jsonl")
    assert [line.text for line in found.lines if line.request][:2] == ["changed at bert"] * 2


@settings(max_examples=60)
@given(data=st.data())
def test_law_any_changed_byte_of_a_text_is_found(world, data):
    folder, _ = world
    kept = kept_texts.load_texts([folder / "anna.jsonl"])
    digest = data.draw(st.sampled_from(sorted(kept.texts)))
    text = kept.texts[digest]
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != text[place]))
    changed = text[:place] + bytes([other]) + text[place + 1 :]
    found = kept_texts.KeptTexts()
    found.add({digest: changed}, place="anna")
    assert found.texts == {}
    assert found.changed == {digest: ["anna"]}


@pytest.mark.parametrize(
    "line", ["{}", "[]", "nonsense", '{"site": 1, "hash": "a", "request": "b"}', "[" * 100_000]
)
def test_a_file_of_something_else_is_refused_with_the_line(tmp_path, line):
    path = tmp_path / "texts.jsonl"
    path.write_text(f'{{"site": "a", "hash": "b", "request": "c"}}\n{line}\n')
    with pytest.raises(ConfigError, match="line 2 is no request text"):
        kept_texts.load_texts([path])
    with pytest.raises(ConfigError, match="cannot read"):
        kept_texts.load_texts([tmp_path / "none"])


# -- selections --------------------------------------------------------------------------------------------------


def test_a_selection_hides_lines_and_changes_no_total(world):
    whole = account_at(world, "anna.jsonl")
    for selection, kinds in (
        ({"analyst": "analyst"}, ["charge", "exact", "training", "charge"]),
        ({"analyst": "mallory"}, []),
        ({"purpose": "named"}, ["charge"]),
        ({"since": whole.lines[-1].time + 1}, []),
        ({"until": 1}, ["genesis"]),
    ):
        found = account_at(world, "anna.jsonl", **selection)
        assert [line.kind for line in found.lines] == kinds
        assert (found.remaining, found.spenders) == (whole.remaining, whole.spenders)


def test_dates_are_utc_and_a_day_is_whole():
    begin = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp())
    assert moments.moment("2026-11-30", name="since") == begin
    assert moments.moment_after("2026-11-30", name="until") == begin + 86_400
    assert moments.moment_after(date(2026, 11, 30), name="until") == begin + 86_400
    assert moments.moment_after("2026-11-30T08:00", name="until") == begin + 8 * 3600 + 1
    assert moments.moment("2026-11-30T08:00+02:00", name="since") == begin + 6 * 3600
    for wrong in ("yesterday", "2026-13-01", "", 5, "9999-12-31T23:59:59-23:59", "0001-01-01"):
        with pytest.raises(InvalidRequestError, match="since must"):
            moments.moment(wrong, name="since")


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 1 << 50)), min_size=1, max_size=12
    )
)
def test_law_interleaved_trainings_are_one_line_each_with_their_sum(attempts):
    """Trainings of several analysts run at the same time; the sum is over units, not over rounded figures."""
    lines, costs, runs = [], {}, {}
    for number, (run, round_number, cost) in enumerate(attempts):
        seen = runs.setdefault(run, [])
        place = sum(each == round_number for each, _, _ in seen)
        seen.append((round_number, number, cost))
        costs[number] = (cost, 2 * cost)
        lines.append(
            Line(
                number=number,
                time=number,
                kind="charge",
                run=f"run{run} round {round_number} attempt {place}",
                price=readable(cost),
                request=f"run{run}",
            )
        )
    found = account.folded(Statement(owner="anna", lines=tuple(lines), remaining=(), costs=costs))
    assert [line.request for line in found] == [f"run{run}" for run in runs]
    for line, seen in zip(found, runs.values(), strict=True):
        assert line.attempts == len(seen)
        assert line.rounds == len({round_number for round_number, _, _ in seen})
        assert (line.number, line.last) == (seen[0][1], seen[-1][1])
        assert line.price == readable(sum(cost for _, _, cost in seen))


# -- commands ----------------------------------------------------------------------------------------------------


def test_statement_as_table_csv_json_and_frame(world):
    folder, _ = world
    ledger, texts = folder / "anna.sqlite", folder / "anna.jsonl"
    shown = command("audit", "statement", ledger, "--texts", texts)
    assert shown.code == 0, shown.err
    for part in ("SELECT sex, COUNT(*)", "3 to 5", "3 round(s), 3 attempt(s)", "=cmd"):
        assert part in shown.out
    rows = list(
        csv.DictReader(io.StringIO(command("audit", "statement", ledger, "--texts", texts, "--csv").out))
    )
    assert [row["kind"] for row in rows] == ["genesis", "charge", "exact", "training", "charge"]
    assert rows[1]["purpose"] == "'=cmd"  # no spreadsheet runs what an analyst wrote
    found = json.loads(command("audit", "statement", ledger, "--texts", texts, "--json").out)
    assert [line["question"] for line in found["lines"]] == [row["question"] for row in rows]
    frame = crossward.audit.statement(ledger, texts=[texts]).frame
    assert list(frame.columns) == list(rows[0])
    assert list(frame["question"]) == [row["question"] for row in rows]
    assert federation.audit.statement is crossward.audit.statement
    spent = crossward.audit.statement(ledger, texts=[]).spender_frame
    assert set(spent["analyst"]) == {"analyst"}
    assert len(crossward.audit.statement(ledger, texts=[]).remaining_frame) == 2


def test_the_statement_says_where_texts_are_missing_or_changed(world):
    folder, _ = world
    ledger = folder / "anna.sqlite"
    assert "no request texts at hand" in command("audit", "statement", ledger).out
    changed_copy(
        folder,
        "bert.jsonl",
        "worse.jsonl",
        lambda line: line | {"request": line["request"].replace("sex", "age")},
    )
    told = command("audit", "statement", ledger, "--texts", folder / "worse.jsonl")
    assert told.out.count("CHANGED: the text of entry") == 4
    assert told.code == 1
    assert "SELECT age" not in told.out
    (folder / "empty.jsonl").write_text("")
    (folder / "one.jsonl").write_text((folder / "anna.jsonl").read_text().splitlines()[0] + "\n")
    told = command("audit", "statement", ledger, "--texts", folder / "one.jsonl")
    assert "of 3 request(s) no text is in anna" in told.out


def test_the_page_holds_questions_and_escapes_them(world):
    folder, _ = world
    page = folder / "page.html"
    ran = command(
        "audit",
        "report",
        folder / "anna.sqlite",
        "--texts",
        folder / "anna.jsonl",
        "--out",
        page,
        "--purpose",
        "named",
    )
    assert ran.code == 0, ran.err
    text = page.read_text()
    assert "Listed are only requests for named" in text
    assert "chi_square(" in text
    assert "SELECT sex" not in text
    assert (
        command(
            "audit", "report", folder / "anna.sqlite", "--texts", folder / "anna.jsonl", "--out", page
        ).code
        == 0
    )
    text = page.read_text()
    for part in ("SELECT sex, COUNT(*) AS n FROM visits", "train: clip_norm", "epsilon 0.5", "3 attempts"):
        assert part in text


def test_options_that_cannot_be_meant_are_usage_errors(world):
    ledger = world[0] / "anna.sqlite"
    for wrong in (("--since", "x"), ("--csv", "--json"), ("--texts", world[0] / "none")):
        ran = command("audit", "statement", ledger, *wrong)
        assert ran.code in {1, 2}
        assert ran.out == ""


# -- words -------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.text("abc_", min_size=1, max_size=5),
        st.one_of(
            st.text("xyz ", max_size=8), st.integers(), st.booleans(), st.lists(st.text("pq"), max_size=3)
        ),
        max_size=5,
    ),
    st.sampled_from(["query", "statistic", "mine", "train", "another"]),
)
def test_law_every_name_of_a_question_is_in_its_line(question, kind):
    request = Request(
        kind=kind,
        mode="private",
        epsilon=Fraction(1),
        analyst="ada",
        purpose="p",
        nonce=secrets.token_hex(16),
        configuration="0" * 64,
        plan="0" * 64,
        question=question,
    )
    line = question_text(request)
    assert "\n" not in line
    assert all(name in line for name in question)


# -- refusals ----------------------------------------------------------------------------------------------------


def test_refusals_as_table_csv_json_and_frame(tmp_path):
    from federation.node.records.refusals import RefusalLog

    with federation.local(
        dict.fromkeys(SITES, FRAME), schema=tomllib.loads(SCHEMA), deadline_s=10, engine="numpy"
    ) as session:
        log = RefusalLog(
            tmp_path / "refusals.sqlite", consortium=session.consortium, site="anna", clock=lambda: 7
        )
        from federation.protocol.messages import Ask
        from federation.protocol.request import REQUEST_TAG

        data = session._planned(BY_SEX, Fraction(1, 2), exact=False, purpose="=cmd").data
        ask = Ask(request=data, signature=session._identity.sign(REQUEST_TAG + data))
        for sender in ("analyst", "other"):
            log.record(ask, PolicyRefusedError(site="anna", rule="policy.analysts"), sender=sender)
        log.record(Ask(request=data, signature=bytes(64)), PolicyRefusedError(site="anna", rule="x"))
        log.close()
    path = tmp_path / "refusals.sqlite"
    shown = command("audit", "refusals", path)
    for part in ("SELECT sex, COUNT(*)", "anna refuses: policy.analysts", "1970-01-01 00:00:07", "other"):
        assert part in shown.out
    assert "1 refused request(s) were signed by no analyst" in shown.out
    rows = list(csv.DictReader(io.StringIO(command("audit", "refusals", path, "--csv").out)))
    assert [(row["sender"], row["purpose"], row["epsilon"]) for row in rows] == [
        ("analyst", "'=cmd", "0.5"),
        ("other", "'=cmd", "0.5"),
    ]
    found = json.loads(command("audit", "refusals", path, "--json").out)
    assert found["unsigned"] == 1
    assert request_hash(found["refusals"][0]["request"].encode()) == rows[0]["digest"]
    assert list(crossward.audit.refusals(path).frame["code"]) == ["PolicyRefusedError"] * 2
    assert command("audit", "refusals", tmp_path / "none").code == 1
