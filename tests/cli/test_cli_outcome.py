"""Errors become exit codes and sentences."""

import pytest

from analytics import errors as analytics
from federation import errors as federation
from federation.cli.outcome import FAILED, REFUSED, USAGE, UsageError, exit_code, sentence
from federation.display.terminal import grid, plain
from privacy_accounting import errors as accounting
from smpc import errors as smpc

BUDGET = accounting.BudgetExceededError(
    requested=3 << 40,
    spent=1 << 40,
    remaining=1 << 39,
    population="p",
    sub_budget="query",
    largest_epsilon="0.7",
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BUDGET, REFUSED),
        (federation.PolicyRefusedError(site="a", rule="r"), REFUSED),
        (analytics.ReleaseRefusedError(rule="r", reason="s"), REFUSED),
        (UsageError(reason="r"), USAGE),
        (analytics.PlanRejectedError(position="1:1", reason="r"), USAGE),
        (analytics.InvalidRequestError(parameter="p", reason="r"), USAGE),
        (analytics.OverflowRiskError(figure="f", bits=70, limit_bits=62), USAGE),
        (accounting.InvalidCostError(what="w", reason="r"), USAGE),
        (federation.ConfigError(mistakes=["one", "two"]), FAILED),
        (federation.SiteUnavailableError(site="a"), FAILED),
        (federation.RequestRejectedError(site="a", reason="r"), FAILED),
        (smpc.PartyLostError(name="a"), FAILED),
        (smpc.PeerRejectedError(reason="r", name="a"), FAILED),
        (accounting.LedgerForkedError(site="a", number=3), FAILED),
        (accounting.LedgerTamperedError(first_bad_index=3, reason="r"), FAILED),
    ],
)
def test_cli_exit_codes_of_all_kinds(error, code):
    assert exit_code(error) == code
    assert sentence(error)


def test_cli_errors_state_whose_rule_it_is_and_the_remedy():
    assert sentence(BUDGET).startswith("the query budget of p refuses: requested 3.0000, spent 1.0000")
    assert "epsilon 0.7 still fits; nothing was spent" in sentence(BUDGET)
    assert "that site's own file" in sentence(federation.PolicyRefusedError(site="a", rule="r"))
    assert "ask its administrator" in sentence(federation.SiteUnavailableError(site="a"))
    assert sentence(federation.ConfigError(mistakes=["one", "two"])) == "one\ntwo"


def test_cli_a_hostile_site_cannot_steer_the_analysts_terminal():
    rule = "no\x1b]0;owned\x07\r\nroot# "
    for error in (
        federation.PolicyRefusedError(site="a", rule=rule),
        federation.ConfigError(mistakes=[rule]),
        smpc.PeerRejectedError(reason=rule, name="a"),
    ):
        assert all(letter.isprintable() for letter in sentence(error))
    assert plain("a\x1b[2J\u202eb") == "a?[2J?b"


def test_cli_tables_show_markup_as_text_and_cut_nothing():
    from rich.console import Console

    screen = Console(width=40, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    long = "9" * 60
    screen.print(grid("t", ("purpose", "empty", "price"), [("[/bold]", "", long)]))
    screen.file.close()
    text = screen.export_text()
    assert "[/bold]" in text
    assert "empty" not in text
    assert text.count("9") == 60
