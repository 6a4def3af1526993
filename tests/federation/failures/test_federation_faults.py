"""Errors between nodes: each known class arrives unchanged, and any other error arrives without its text."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import errors as analytics_errors
from federation import errors as federation_errors
from federation.protocol.codec import decode, encode
from federation.protocol.error_codes import (
    InternalFaultError,
    from_refusal,
    from_wire,
    is_ours,
    to_wire,
    traced,
)
from federation.protocol.messages import Failed
from privacy_accounting import errors as accounting_errors
from privacy_accounting.errors import BudgetExceededError, LedgerRefusedError
from privacy_accounting.ledger.refusal import Refusal
from privacy_accounting.ledger.replication.entry_validation import describe
from smpc import errors as smpc_errors

SECRET = "patient 31337 of ward 9"
LARGE = 2**62 - 1  # the ledger's largest cost

# written by hand, each field with a value of its own, so that fields that are swapped are seen
CROSSING = [
    BudgetExceededError(
        requested=LARGE,
        spent=2,
        remaining=-3,
        population="cardiology",
        sub_budget="query",
        largest_epsilon="0.25",
    ),
    BudgetExceededError(requested=1, spent=0, remaining=0, population="p", sub_budget="training"),
    accounting_errors.InvalidCostError(what="sigma2", reason="must be above 0"),
    accounting_errors.LedgerForkedError(site="anna", number=7),
    accounting_errors.LedgerRefusedError(reason="this charge was started before"),
    accounting_errors.EntriesArchivedError(site="anna", number=3, first=1_000),
    accounting_errors.ClockDiffersError(site="anna", seconds=-400),
    accounting_errors.LedgerAheadError(site="anna", number=3, seconds=900),
    accounting_errors.LedgerTamperedError(first_bad_index=0, reason="its signature does not verify"),
    smpc_errors.PartyLostError(name="bert"),
    smpc_errors.PeerRejectedError(reason="not a peer", name="cora"),
    smpc_errors.PeerRejectedError(reason="no name is known"),
    smpc_errors.RingRangeError(what="an input"),
    smpc_errors.MaterialError(what="triples"),
    smpc_errors.MemoryLimitError(needed_bytes=LARGE, limit_bytes=1),
    analytics_errors.PlanRejectedError(position="1:8", reason="no such column", hint="did you mean age?"),
    analytics_errors.PlanRejectedError(position="", reason="no such table"),
    analytics_errors.InvalidRequestError(parameter="epsilon", reason="must be above 0"),
    analytics_errors.OverflowRiskError(figure="sum of age", bits=70, limit_bits=62),
    analytics_errors.ReleaseRefusedError(rule="shares", reason="a share is missing"),
    analytics_errors.LocalTimeoutError(limit_s=20.0),
    analytics_errors.LocalTimeoutError(limit_s=0.5),
    federation_errors.PolicyRefusedError(site="anna", rule="largest_epsilon: at most 1"),
    federation_errors.SiteUnavailableError(site="bert", reason="it is starting"),
    federation_errors.SiteBusyError(site="bert", reason="all places are in use"),
    federation_errors.RequestRejectedError(site="cora", reason="it is not signed"),
    federation_errors.RequestHeldError(site="cora", reason="a person of this site must look at it first"),
    federation_errors.ApprovalMissingError(site="bert, cora", motion="ab" * 32),
    federation_errors.AmendmentRejectedError(reason="it is out of date"),
    federation_errors.KeyMismatchError(reason="another modulus"),
    federation_errors.CiphertextInvalidError(reason="not invertible", index=0),
    federation_errors.CiphertextInvalidError(reason="of another length"),
    federation_errors.UpdateRejectedError(site="dora", reason="of another round"),
]
NAMES = [f"{number}-{type(error).__name__}" for number, error in enumerate(CROSSING)]
FIELDS = sorted({name for error in CROSSING for name in to_wire(error, site="anna")[1]})
STAYING = [
    analytics_errors.MappingError(source="mapping.toml", mistakes=[SECRET]),
    analytics_errors.QualityFileError(source="quality.toml", mistakes=[SECRET]),
    analytics_errors.SchemaError(mistakes=[]),
    analytics_errors.SchemaMismatchError(source="data.csv", column="age", reason="12 rows are text"),
    analytics_errors.SourceFailedError(source="data.csv", kind="ConversionException"),
    analytics_errors.SourceLostError(source="data.csv"),
    federation_errors.ConfigError(mistakes=[SECRET]),
    federation_errors.FoundingRefusedError(reason=SECRET),
    federation_errors.ForkedSessionError(),
    federation_errors.RequirementNotMetError(requirement="completeness(ca) >= 0.6", found=SECRET),
]


def over_the_wire(error):
    """As a node tells it and another one hears it, bytes included."""
    code, fields = to_wire(error, site="anna")
    heard = decode(encode(Failed(code=code, fields=fields)))
    return from_wire(heard.code, heard.fields, site="anna")


def over_the_ledger(error):
    """As a site's signed refusal carries it, through its JSON."""
    refusal = Refusal.from_json(describe(error, 0).to_json())
    return from_refusal(refusal, site="anna")


def same(one, other):
    return (type(one), vars(one), str(one)) == (type(other), vars(other), str(other))


# -- what crosses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", CROSSING, ids=NAMES)
@pytest.mark.parametrize("travel", [over_the_wire, over_the_ledger])
def test_an_error_arrives_with_all_its_fields_and_its_text(error, travel):
    arrived = travel(error)
    assert is_ours(error)
    assert same(arrived, error)
    assert {type(value) for value in vars(arrived).values()} == {
        type(value) for value in vars(error).values()
    }


def test_every_error_class_either_crosses_the_wire_or_is_listed_as_local():
    """A new error class has to be given a place in one of the two lists above."""
    modules = (accounting_errors, smpc_errors, analytics_errors, federation_errors)
    roots = {"AccountingError", "SmpcError", "AnalyticsError", "FederationError", "Mistake"}
    classes = {
        kind
        for module in modules
        for name, kind in vars(module).items()
        if isinstance(kind, type) and kind.__module__ == module.__name__ and name not in roots
    }
    assert classes == {type(error) for error in (*CROSSING, *STAYING)}
    assert not any(is_ours(error) for error in STAYING)


@given(
    reason=st.text(max_size=200).filter(lambda text: text.isprintable()),
    site=st.text("abcdefgh_", min_size=1, max_size=20),
    number=st.integers(0, LARGE),
)
def test_any_printable_field_arrives(reason, site, number):
    for error in (
        federation_errors.RequestRejectedError(site=site, reason=reason),
        accounting_errors.LedgerForkedError(site=site, number=number),
        federation_errors.CiphertextInvalidError(reason=reason, index=number),
        analytics_errors.PlanRejectedError(position=site, reason=reason, hint=reason),
    ):
        assert same(over_the_wire(error), error)
        assert same(over_the_ledger(error), error)


# -- what does not -------------------------------------------------------------------------------------------------------


class LocalTimeoutError(Exception):  # the name of one of ours, and not ours
    limit_s = SECRET


@pytest.mark.parametrize(
    "error",
    [
        *STAYING,
        ValueError(SECRET),
        KeyError(SECRET),
        RuntimeError(SECRET, {"row": SECRET}),
        OSError(2, SECRET, SECRET),
        LocalTimeoutError(SECRET),
        ExceptionGroup(SECRET, [ValueError(SECRET)]),
        InternalFaultError(site="bert"),
    ],
    ids=lambda error: type(error).__name__ + error.__class__.__module__,
)
def test_no_text_of_any_other_error_crosses(error):
    code, fields = to_wire(error, site="anna")
    assert (code, fields) == ("InternalFaultError", {"site": "anna"})
    arrived = over_the_wire(error)
    assert same(arrived, InternalFaultError(site="anna"))
    assert SECRET not in f"{arrived} {arrived!r} {traced(error)}"


def test_a_cause_does_not_cross_with_an_error_of_ours():
    def quoting():
        try:
            raise ValueError(SECRET)
        except ValueError as cause:
            raise federation_errors.RequestRejectedError(site="anna", reason="no") from cause

    with pytest.raises(federation_errors.RequestRejectedError) as caught:
        quoting()
    code, fields = to_wire(caught.value, site="anna")
    assert SECRET.encode() not in encode(Failed(code=code, fields=fields))
    arrived = over_the_wire(caught.value)
    assert (arrived.__cause__, arrived.__context__) == (None, None)
    assert "in quoting" in traced(caught.value)
    assert SECRET not in traced(caught.value)


def test_a_trace_in_a_log_names_type_and_place_and_quotes_nothing(caplog):
    def broken(row):
        raise RuntimeError(row)

    try:
        broken(SECRET)
    except RuntimeError as error:
        logging.getLogger("test").error("%s", traced(error))
    assert "RuntimeError" in caplog.text
    assert "in broken" in caplog.text
    assert SECRET not in caplog.text


# -- a hostile or broken peer --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "",
        "ValueError",
        "SystemExit",
        "KeyboardInterrupt",
        "FederationError",
        "ConfigError",
        "__import__",
        "InternalFaultError",
    ],
)
def test_an_unknown_code_is_a_fault(code):
    fields = {"site": "mallory", "reason": SECRET, "mistakes": [SECRET]}
    assert same(from_wire(code, fields, site="anna"), InternalFaultError(site="anna"))


@pytest.mark.parametrize("error", CROSSING, ids=NAMES)
def test_a_missing_field_is_a_fault_and_a_field_too_many_is_dropped(error):
    code, fields = to_wire(error, site="anna")
    assert same(from_wire(code, {**fields, "more": SECRET, "args": [SECRET]}, site="anna"), error)
    for name in fields:
        rest = {key: value for key, value in fields.items() if key != name}
        assert same(from_wire(code, rest, site="anna"), InternalFaultError(site="anna"))


@pytest.mark.parametrize("error", CROSSING, ids=NAMES)
def test_a_field_of_another_type_is_a_fault(error):
    """What is done with the field later (arithmetic, a page, a format) may count on its type."""
    code, fields = to_wire(error, site="anna")
    for name, value in fields.items():
        wrong = [
            ["a", "list"],
            True,
            float("nan"),
            float("inf"),
            2**64,
            *([7] if isinstance(value, str) else ["text"]),
        ]
        for bad in wrong:
            if value is None and bad == "text":
                continue  # an optional text, not given
            arrived = from_wire(code, {**fields, name: bad}, site="anna")
            assert same(arrived, InternalFaultError(site="anna")), (name, bad)


@given(
    code=st.sampled_from([*sorted({type(error).__name__ for error in CROSSING}), "", "OSError"]),
    fields=st.dictionaries(
        st.sampled_from(FIELDS),
        st.none()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=3), max_size=2),
        min_size=10,
    ),
)
def test_any_message_of_a_peer_becomes_an_error_to_raise(code, fields):
    arrived = from_wire(code, fields, site="anna")
    assert isinstance(arrived, InternalFaultError) or type(arrived).__name__ == code
    assert isinstance(f"{arrived} {arrived!r}", str)
    assert same(over_the_wire(arrived), arrived)  # it can be told on


@given(
    code=st.sampled_from([*sorted({type(error).__name__ for error in CROSSING}), "", "OSError"]),
    text=st.text(max_size=10) | st.sampled_from(["--5", "-", "1e400", "nan", "9" * 2000, "0x10"]),
)
def test_any_refusal_becomes_an_error_to_raise(code, text):
    arrived = from_refusal(Refusal(entry=0, code=code, fields=dict.fromkeys(FIELDS, text)), site="anna")
    assert isinstance(arrived, InternalFaultError | LedgerRefusedError) or type(arrived).__name__ == code
    assert isinstance(f"{arrived} {arrived!r}", str)
    assert same(over_the_wire(arrived), arrived)  # it can be told on


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(entry=0, code="OSError", fields={"strerror": SECRET}),
        Refusal(entry=0, code="PolicyRefusedError", fields={"site": SECRET}),
    ],
)
def test_a_refusal_that_is_not_understood_names_the_site_and_the_code_alone(refusal):
    arrived = from_refusal(refusal, site="anna")
    assert same(arrived, LedgerRefusedError(reason=f"anna refuses: {refusal.code}"))
