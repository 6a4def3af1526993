"""Queries to a running consortium from the command line."""

import json
import resource

import pytest

from federation.cli.questions import accuracy
from tests.cli.conftest import crossward, spawned

COUNT = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"


def ask(hospital, *arguments):
    return crossward("query", "-c", hospital.consortium, *arguments)


def entries(hospital):
    return json.loads(crossward("audit", "verify", "--json", hospital.ledger("anna")).out)["files"][0][
        "entries"
    ]


def test_cli_private_answer_shows_noise_interval_terms_and_remaining_budget(hospital):
    ran = ask(hospital, COUNT, "--fresh", "--epsilon", "0.25")
    assert (ran.code, ran.err) == (0, "")
    for word in (
        "± sd",
        "95 % interval",
        "epsilon 0.25",
        "delta 1e-06",
        "add_or_remove_one",
        "privacy unit row",
    ):
        assert word in ran.out
    for word in (
        "at up to 1 site(s)",
        "1 colluding",
        "if 2 collude",
        "signed by anna, bert, carl",
        "still fits",
    ):
        assert word in ran.out
    assert "…" not in ran.out


def test_cli_json_is_the_whole_answer(hospital):
    ran = ask(hospital, COUNT, "--epsilon", "0.25", "--fresh", "--json")
    answer = json.loads(ran.out)
    expected = {
        "question",
        "columns",
        "rows",
        "standard_errors",
        "intervals",
        "suppressed",
        "too_few",
        "cost",
        "receipt",
    }
    assert set(answer) == expected
    assert answer["columns"] == ["sex", "n"]
    assert answer["standard_errors"][0][1] > 0
    assert answer["receipt"]["signed_by"] == ["anna", "bert", "carl"]


def test_cli_sampling_is_shown_beside_the_noise_and_what_is_missing_is_named(hospital):
    both = "SELECT COUNT(*) AS n, AVG(age) AS m, STDDEV(age) AS d FROM visits"
    ran = ask(hospital, both, "--epsilon", "0.25", "--sampling")
    assert (ran.code, ran.err) == (0, "")
    for word in ("± sd", "± sampling", "with sampling"):
        assert word in ran.out
    answer = json.loads(ask(hospital, both, "--epsilon", "0.25", "--sampling", "--json").out)
    assert answer["sampling_errors"][0][0] == pytest.approx(answer["rows"][0][0] ** 0.5)
    noise, wide = answer["intervals"]["rows"][0], answer["sampling_intervals"]["rows"][0]
    assert all(b[0] <= a[0] and a[1] <= b[1] for a, b in zip(noise, wide, strict=True))
    names = ask(hospital, both, "--epsilon", "0.25", "--sampling", "--csv").out.splitlines()[0]
    assert "m sampling sd,m sampling low,m sampling high" in names
    ran = ask(hospital, "SELECT AVG(age) AS m FROM visits", "--epsilon", "0.25", "--sampling")
    assert ran.code == 0
    assert "m: the sampling error of AVG needs the spread of its column: ask STDDEV" in " ".join(
        ran.out.split()
    )
    exact = ask(hospital, COUNT, "--exact", "--sampling").out
    assert "± sampling" in exact
    assert "± sd" not in exact


def test_cli_exact_answer_equals_the_pooled_truth(hospital):
    answer = json.loads(ask(hospital, COUNT, "--exact", "--json").out)
    assert answer["rows"] == [[0, 3 * 97], [1, 3 * 206]]
    assert answer["cost"]["mode"] == "exact"
    ran = ask(hospital, COUNT, "--exact")
    assert "exact disclosure, without epsilon" in ran.out
    assert "± sd" not in ran.out
    assert "exact requests of this analyst: " in ran.out
    assert " of 50 that " in ran.out
    assert "can be combined" in ran.out
    assert "the same question asked again too" in ran.out
    budget = crossward("budget", "-c", hospital.consortium)
    assert " of 50" in budget.out


@pytest.mark.parametrize(
    "text", ["0", "-1", "0.5 ", " 0.5", "1e-400", "1e-3", "nan", "inf", "+1", "0x1", "", ".5", "1_0", "٣"]
)
def test_cli_epsilon_is_a_strict_decimal_above_zero(hospital, text):
    before = entries(hospital)
    ran = ask(hospital, COUNT, f"--epsilon={text}")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("crossward: --epsilon must be")
    assert ran.err.count("\n") == 1
    assert entries(hospital) == before


@pytest.mark.parametrize("flags", [[], ["--epsilon", "1", "--exact"]])
def test_cli_private_or_exact_must_be_said_once(hospital, flags):
    ran = ask(hospital, COUNT, *flags)
    assert ran.code == 2
    assert "--epsilon E for a private answer" in ran.err


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nothing FROM visits", "nothing"),
        ("SELECT AVG(age) FROM elsewhere", "elsewhere"),
        ("DROP TABLE visits", "only SELECT"),
        ("SELECT age FROM visits; SELECT 1", "one"),
        ("SELECT AVG(chol) AS c FROM visits", "guess"),
    ],
)
def test_cli_question_that_cannot_be_asked_is_usage_and_free(hospital, sql, said):
    before = entries(hospital)
    ran = ask(hospital, sql, "--epsilon", "0.1")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert entries(hospital) == before


def test_cli_refusal_by_policy_names_site_rule_and_limit(hospital):
    ran = ask(hospital, COUNT, "--epsilon", "2.5")
    assert (ran.code, ran.out) == (3, "")
    assert "anna refuses: policy.largest_epsilon: at most 2" in ran.err
    assert "nothing was spent" in ran.err


def test_cli_explain_spends_nothing(hospital):
    before = entries(hospital)
    text = ask(hospital, COUNT, "--epsilon", "0.5", "--explain")
    assert text.code == 0
    assert "opened to the analyst alone" in text.out
    assert json.loads(ask(hospital, COUNT, "--epsilon", "0.5", "--explain", "--json").out)
    assert ask(hospital, COUNT, "--exact", "--explain").code == 0
    assert entries(hospital) == before


def test_cli_explain_without_a_price_shows_several(hospital):
    before = entries(hospital)
    ran = ask(hospital, COUNT, "--explain", "--json")
    assert (ran.code, ran.err) == (0, "")
    prices = {each["epsilon"]: each for each in json.loads(ran.out)["prices"]}
    assert list(prices) == ["0.1", "0.25", "0.5", "1", "2"]
    for epsilon, price in prices.items():
        alone = json.loads(ask(hospital, COUNT, "--epsilon", epsilon, "--explain", "--json").out)
        assert price["noise"] == {"n": alone["noise"]["n"]["itself"]}
    assert prices["2"]["odds"] == pytest.approx(7.389056)
    text = ask(hospital, "SELECT AVG(age) AS a FROM visits", "--explain").out
    assert "the plan above is the one at epsilon 0.5" in text
    assert "a sum" in text
    named = ("stats", "-c", hospital.consortium, "chi_square", "a=sex", "b=hidden", "--explain")
    assert "odds at most times" in crossward(*named).out
    assert ask(hospital, COUNT, "--explain", "--epsilon", "1", "--exact").code == 2
    assert ask(hospital, "SELECT AVG(chol) AS c FROM visits", "--explain").code == 2
    assert entries(hospital) == before


def test_cli_a_hostile_purpose_does_not_control_the_auditors_terminal(hospital):
    """An analyst writes markup and escape codes into the shared book; the auditor sees letters."""
    purpose = "[/x][bold red]free\x1b[2J\x07"
    ran = ask(hospital, "SELECT COUNT(*) AS n FROM visits", "--exact", "--purpose", purpose)
    shown = crossward("audit", "statement", hospital.ledger("bert"))
    assert shown.code == 0
    for text in (shown.out, ran.err, ran.out):
        assert "\x1b" not in text
        assert "\x07" not in text
    if ran.code == 0:
        assert "[/x][bold red]free?[2J?" in shown.out


def test_cli_only_an_analyst_of_this_consortium_asks(hospital, tmp_path):
    from federation.identity.authority import Authority
    from federation.identity.certificates import write_private

    site = ask(hospital, COUNT, "--epsilon", "0.1", "--identity", hospital.site_identity("anna"))
    assert site.code == 1
    assert "only analysts may ask questions" in site.err
    write_private(tmp_path / "m.pem", Authority.create("evil").issue("analyst", "analyst"))
    stranger = ask(hospital, COUNT, "--epsilon", "0.1", "--identity", tmp_path / "m.pem")
    assert stranger.code == 1
    assert "not the certificate" in stranger.err
    missing = ask(hospital, COUNT, "--epsilon", "0.1", "--identity", tmp_path / "none.pem")
    assert missing.code == 1
    assert "none.pem" in missing.err


def test_cli_query_as_a_process_is_quick_and_loads_no_torch(hospital):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = spawned("query", "-c", hospital.consortium, COUNT, "--exact", "--json")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ran.code == 0, ran.err
    # of its own processor, not of the wall's clock, which shows what else the machine does
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
    import subprocess
    import sys

    text = (
        "import sys\nfrom federation.cli.app import run\n"
        f"try: run(['query', '-c', {str(hospital.consortium)!r}, {COUNT!r}, '--exact', '--json'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted(set(sys.modules) & {'torch', 'crypten', 'duckdb', 'pandas'}))"
    )
    loaded = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
    assert loaded.rstrip().endswith("[]")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["query"], 2),
        (["nonsense"], 2),
        (["--help"], 0),
        (["query", "-c", "/nowhere.toml", "SELECT 1", "--epsilon", "1"], 1),
        (["query", "-c", "/nowhere.toml", "SELECT 1"], 2),
    ],
)
def test_cli_exit_codes_of_real_processes(arguments, code):
    ran = spawned(*arguments)
    assert ran.code == code
    assert "Traceback" not in ran.err
    assert bool(ran.err) == (code != 0)


def test_cli_audit_of_all_sites(hospital):
    ledgers = [hospital.ledger(name) for name in ("anna", "bert", "carl")]
    ran = crossward("audit", "verify", *ledgers)
    assert ran.code == 0
    assert ran.out.count(".sqlite: whole,") == 3
    assert "verdict: whole" in ran.out
    assert crossward("audit", "recompute", ledgers[0]).code == 0
    statement = json.loads(crossward("audit", "statement", ledgers[1], "--json").out)
    assert statement["owner"] == "bert"
    assert statement["lines"]


def test_cli_doctor_finds_nothing_at_healthy_nodes_but_the_guessed_column(hospital):
    ran = crossward("doctor", "-c", hospital.consortium, "--site", hospital.site("carl"), "--json")
    findings = json.loads(ran.out)
    assert [finding["what"] for finding in findings if not finding["is_good"]] == ["schema of visits"]
    assert ran.code == 1
    what = " ".join(finding["what"] for finding in findings)
    for word in (
        "certificate of analyst analyst",
        "certificate of site carl",
        "table visits",
        "clock of dealer",
    ):
        assert word in what
    assert "connections" in what
    assert "ledgers" in what
    assert "303 rows read" in ran.out


def test_cli_doctor_asks_the_nodes_with_a_sites_own_certificate(hospital):
    """An administrator has no identity of an analyst; health is told to every member, answers to analysts alone."""
    own = hospital.site_identity("carl")
    ran = crossward("doctor", "-c", hospital.root, "--identity", own)
    for word in (
        "certificate of site carl",
        "ok  node anna: site",
        "ok  node carl: anna, bert, dealer hear it",
        "ok  node dealer",
        "connections",
    ):
        assert word in ran.out
    assert "FIX node" not in ran.out
    assert ask(hospital, COUNT, "--epsilon", "0.1", "--identity", own).code == 1


def test_cli_doctor_keeps_other_sites_counts_to_itself(hospital):
    """P19 i: without a site's own file no count of its rows is shown."""
    assert "303" not in crossward("doctor", "-c", hospital.consortium).out


def test_cli_quotes_are_free_and_state_the_remaining_budget(hospital):
    def spent():
        rows = json.loads(crossward("budget", "-c", hospital.consortium, "--json").out)
        return [row["spent"] for row in rows]

    before = spent()
    sql = COUNT
    ran = crossward("quote", "-c", hospital.consortium, sql, sql, "--epsilon", "0.1", "--json")
    assert ran.code == 0, ran.err
    first, second = json.loads(ran.out)
    assert float(second["left"]) < float(first["left"])
    assert "nothing is spent" in crossward("quote", "-c", hospital.consortium, sql, "--epsilon", "0.1").out
    assert spent() == before


def test_cli_a_paid_question_is_free_from_the_store_until_fresh_is_said(hospital):
    question = "SELECT COUNT(*) AS n FROM visits WHERE age > 41"
    paid = json.loads(ask(hospital, question, "--epsilon", "0.01", "--json").out)
    before = entries(hospital)
    again = ask(hospital, question, "--epsilon", "0.01")
    assert (again.code, again.err, entries(hospital)) == (0, "", before)
    assert (
        f"cost: nothing; made from your own releases of ledger entries {paid['receipt']['number']}"
        in again.out
    )
    assert "--fresh" in again.out
    free = json.loads(ask(hospital, question, "--epsilon", "0.01", "--json").out)
    assert free["rows"] == paid["rows"]
    assert free["receipt"]["from_store"]["releases"][0]["entry_hash"] == paid["receipt"]["entry_hash"]
    fresh = json.loads(ask(hospital, question, "--epsilon", "0.01", "--fresh", "--json").out)
    assert fresh["receipt"]["number"] == paid["receipt"]["number"] + 1
    assert "from_store" not in fresh["receipt"]
    assert ask(hospital, question, "--exact", "--fresh").code == 2


def test_cli_an_altered_store_is_refused_with_the_remedy_and_costs_nothing(hospital):
    question = "SELECT COUNT(*) AS n FROM visits WHERE age > 42"
    assert ask(hospital, question, "--epsilon", "0.01").code == 0
    (store,) = hospital.consortium.parent.glob("analysts/*.answers")
    kept, before = store.read_bytes(), entries(hospital)
    store.write_bytes(kept.replace(b'"values":[', b'"values":[9', 1))
    try:
        ran = ask(hospital, question, "--epsilon", "0.01")
        assert ran.code == 1
        assert "was altered; move the file away to start a new one" in ran.err
        assert entries(hospital) == before
    finally:
        store.write_bytes(kept)


def test_cli_a_question_by_accuracy_shows_its_price_and_is_then_free_from_the_store(hospital):
    question = "SELECT COUNT(*) AS n FROM visits WHERE age > 43"
    explained = ask(hospital, question, "--within", "60", "--explain")
    before = entries(hospital)
    ran = ask(hospital, question, "--within", "60", "--json")
    assert ran.code == 0
    answer = json.loads(ran.out)
    epsilon = answer["cost"]["epsilon"]
    assert f"epsilon {epsilon} at delta" in explained.out
    assert ran.err.startswith("crossward: n ± ")
    assert f"at 95 % takes epsilon {epsilon} at delta" in ran.err
    assert "of what the query budget may spend" in ran.err
    assert answer["receipt"]["promise"] == {"within": "60", "confidence": "0.95"}
    again = ask(hospital, question, "--within", "60")
    assert (again.code, again.err, entries(hospital)) == (0, "", before + 1)  # there is no price to show


@pytest.mark.parametrize("words", ["0", "-1", "nan", "5 %", "5 %%", ""])
def test_cli_bad_accuracy_is_refused_and_free(hospital, words):
    before = entries(hospital)
    ran = ask(hospital, COUNT, f"--within={words}")
    assert ran.code == 2
    assert "within" in ran.err
    assert ask(hospital, COUNT, "--within", "20", "--epsilon", "1").code == 2
    assert ask(hospital, COUNT, "--within", "20", "--confidence", "95 %").code == 2
    assert ask(hospital, COUNT, "--epsilon", "0.1", "--confidence", "0.9").code == 2
    assert entries(hospital) == before


def test_cli_at_a_terminal_a_person_is_asked_before_paying(hospital, monkeypatch):
    asked, before = [], entries(hospital)
    question = "SELECT COUNT(*) AS n FROM visits WHERE age > 44"
    with monkeypatch.context() as patch:
        patch.setattr(accuracy.typer, "confirm", lambda text, err: asked.append((text, err)) or False)
        patch.setattr(accuracy, "is_terminal", lambda: True)
        ran = ask(hospital, question, "--within", "60")
        assert (ran.code, ran.out, asked) == (0, "", [("Pay it?", True)])
        assert "nothing was spent" in ran.err
        assert entries(hospital) == before
        assert ask(hospital, question, "--within", "60", "--yes").code == 0
    assert (len(asked), entries(hospital)) == (1, before + 1)


def test_cli_quote_shows_accuracy_at_several_epsilons_or_the_price_of_one(hospital):
    def quoted(*words):
        return crossward("quote", "-c", hospital.consortium, COUNT, *words)

    rows = json.loads(quoted("--json").out)
    assert [row["asked_epsilon"] for row in rows] == ["0.1", "0.25", "0.5", "1", "2"]
    assert rows[0]["accuracy"]["n"] > rows[4]["accuracy"]["n"]
    assert f"n ± {rows[0]['accuracy']['n']:g} at 95 %" in quoted().out
    two = json.loads(quoted("--epsilon", "0.2", "--epsilon", "0.3", "--confidence", "0.99", "--json").out)
    assert [(row["asked_epsilon"], row["confidence"]) for row in two] == [("0.2", "0.99"), ("0.3", "0.99")]
    (one,) = json.loads(quoted("--within", "60", "--json").out)
    assert one["accuracy"]["n"] <= 60
    assert f"n ± {one['accuracy']['n']:g}" in quoted("--within", "60", "--csv").out
    assert quoted("--within", "60", "--epsilon", "1").code == 2
    assert quoted("--within", "0").code == 2
