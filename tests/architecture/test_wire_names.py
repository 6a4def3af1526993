"""Names on the wire are written out: renaming a class changes no byte between two versions."""

import ast
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from analytics import errors as analytics_errors
from federation import errors as federation_errors
from federation.protocol import codec, error_codes, messages, training_messages
from privacy_accounting import errors as accounting_errors
from privacy_accounting.ledger import messages as ledger_messages
from privacy_accounting.ledger.replication import entry_validation
from smpc import errors as smpc_errors

ROOT = Path(__file__).resolve().parents[2]
CONTROL = {
    "Ask",
    "Accepted",
    "Failed",
    "Withdraw",
    "Attempt",
    "Enter",
    "Charged",
    "Run",
    "Share",
    "BudgetAsk",
    "BudgetAnswer",
    "ChangesAsk",
    "ChangesAnswer",
    "QuoteAsk",
    "QuoteAnswer",
    "PreflightAsk",
    "PreflightAnswer",
    "TextsAsk",
    "TextsAnswer",
    "HealthAsk",
    "Health",
    "LedgerPost",
    "LedgerReply",
    "LedgerSince",
    "LedgerEntries",
    "Done",
    "Deal",
}
TRAINING = {"KeyAsk", "KeyAnswer", "Start", "Sent", "Update", "Taken", "Total", "SumAsk", "Opened"}
ERRORS = {
    "BudgetExceededError",
    "InvalidCostError",
    "LedgerForkedError",
    "LedgerRefusedError",
    "EntriesArchivedError",
    "LedgerTamperedError",
    "PartyLostError",
    "PeerRejectedError",
    "RingRangeError",
    "MaterialError",
    "MemoryLimitError",
    "PlanRejectedError",
    "InvalidRequestError",
    "OverflowRiskError",
    "ReleaseRefusedError",
    "LocalTimeoutError",
    "PolicyRefusedError",
    "SiteUnavailableError",
    "RequestHeldError",
    "RequestRejectedError",
    "ConsentMissingError",
    "MotionRefusedError",
    "KeyMismatchError",
    "CiphertextInvalidError",
    "UpdateRejectedError",
}
LEDGER = {"proposal", "signed", "refused", "waiting", "withdrawal", "complete"}


def structs(module):
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and value.__module__ == module.__name__
        and value is not messages.WireMessage
    ]


def test_each_message_keeps_its_name_on_the_wire():
    assert {codec.name_on_wire(kind) for kind in structs(messages)} >= CONTROL
    assert {codec.name_on_wire(kind) for kind in structs(training_messages)} >= TRAINING
    assert {kind.TYPE for kind in vars(ledger_messages).values() if getattr(kind, "TYPE", "")} >= LEDGER


@pytest.mark.parametrize("module", [messages, training_messages], ids=["control", "training"])
def test_each_message_writes_its_name_as_a_literal(module):
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    kinds = {kind.__name__ for kind in structs(module)}
    written = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for keyword in node.keywords
        if keyword.arg == "tag"
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, str)
    }
    assert kinds == written


def test_each_error_that_crosses_writes_its_name_as_a_literal():
    found = {}
    for module in (analytics_errors, federation_errors, accounting_errors, smpc_errors, error_codes):
        for node in ast.parse(Path(module.__file__).read_text("utf-8")).body:
            for line in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(line, ast.AnnAssign) and getattr(line.target, "id", "") == "wire_name":
                    assert isinstance(line.value, ast.Constant)
                    found[line.value.value] = node.name
    assert set(found) >= ERRORS | {"InternalFaultError"}
    assert len(set(found.values())) == len(found)


@contextmanager
def renamed(kind):
    name, kind.__name__ = kind.__name__, "Renamed"
    try:
        yield
    finally:
        kind.__name__ = name


def test_a_renamed_error_keeps_its_code():
    error = federation_errors.PolicyRefusedError(site="anna", rule="largest epsilon")
    before = error_codes.to_wire(error, site="anna"), entry_validation.describe(error, 3)
    with renamed(federation_errors.PolicyRefusedError):
        assert (error_codes.to_wire(error, site="anna"), entry_validation.describe(error, 3)) == before
    assert before[0][0] == "PolicyRefusedError"


def test_a_renamed_message_keeps_its_bytes():
    with renamed(messages.Ack):
        assert codec.encode(messages.Ack()) == b"\x81\xa4type\xa4Done"
