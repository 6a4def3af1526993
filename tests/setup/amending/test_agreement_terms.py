"""Terms that amend an agreement: they add and widen, and nothing else; attacks by a member, an outsider and a stale file."""

import json
import tomllib
from decimal import Decimal
from fractions import Fraction

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from analytics.schema import Schema
from analytics.schema.widening import widening_mistakes
from federation.consortium.agreement_terms import AgreementTerms, terms_of_document
from federation.consortium.amending.agreement_amendments import amended_agreement, consequences
from federation.consortium.consortium_file import with_members
from federation.consortium.consortium_model import Floor
from federation.consortium.members_file import write_members
from federation.consortium.membership import stages
from federation.consortium.site_file import Policy
from federation.errors import AmendmentRejectedError, ConfigError
from federation.requests.site_policy import at_least
from privacy_accounting.ledger.agreements import Amended
from privacy_accounting.ledger.changes.agreement_change import MAX_TERMS, AgreementChange
from privacy_accounting.ledger.entries import Body, Entry, body_hash, public_hex, sign_body
from tests.setup.amending.test_agreement_changes import document, read

KEYS = {
    name: Ed25519PrivateKey.from_private_bytes(bytes([place]) * 32)
    for place, name in enumerate(("anna", "bert", "carl"))
}
SMOKER = '[tables.patients.columns]\nsmoker = { type = "boolean" }\n'
WIDER = (
    "[tables.patients.columns]\n"
    'age = { type = "numeric", lower = 0, upper = 130, resolution = 1, unit = "a", guessed = true }\n'
)


def agreement(**changes):
    found = document()
    for name, key in KEYS.items():
        found["sites"][name]["public_key"] = public_hex(key)
    found["tables"]["patients"] |= changes
    return read(found)


def terms(text, consortium=None):
    found = consortium or agreement()
    return terms_of_document(
        tomllib.loads(text, parse_float=Decimal), found.schema, found.file.minimum_cell, found.file.floor
    )


def change(text, consortium=None):
    found = consortium or agreement()
    return AgreementChange(before=found.configuration(), terms=terms(text, found).to_text())


def entry_of(content, consortium, *, number=1, signers=("anna", "bert", "carl"), keys=KEYS):
    body = Body(
        chain=consortium.digest(),
        number=number,
        previous="11" * 32,
        time=1_700_000_000,
        cohort=("anna", "bert", "carl"),
        content=content,
    )
    data = body.to_bytes()
    return Entry(
        data=data, body=body, signatures={name: sign_body(keys[name], body_hash(data)) for name in signers}
    )


def test_what_terms_add_is_in_the_schema_and_the_founding_digest_stays():
    before = agreement()
    text = 'minimum_cell = 20\n[tables.patients]\nrows_max = 2000\nguessed = []\nexact_dimensions = ["sex", "smoker"]\n'
    after = amended_agreement(change(text + SMOKER), before, 1)
    table = after.schema.tables["patients"]
    assert list(table.columns) == ["age", "sex", "ill", "smoker"]
    assert (table.rows_max, table.guessed, table.exact_dimensions) == (2000, (), ("sex", "smoker"))
    assert after.file.minimum_cell == 20
    assert after.digest() == before.digest() == before.configuration()
    assert after.configuration() == after.amendments[0].change.after != after.digest()
    assert after.canonical() == before.canonical()
    assert after.as_founded().schema == before.schema
    assert [each.configuration() for each in stages(after)] == [after.configuration(), before.digest()]
    assert consequences(before, after) == [
        "patients: column smoker added: boolean",
        "table patients: rows_max changed from 1000 to 2000",
        "table patients: exact_dimensions changed from sex to sex, smoker",
        "table patients: guessed changed from rows_max to nothing",
        "minimum_cell changed from 10 to 20",
        "stricter: exact answers show no group below 20 people; what was shown stays known",
        "answers released before are not used again, and every request is planned anew",
        "exact answers from before and after differ by what lay outside an earlier bound or domain: that may be few people",
    ]


def test_a_looser_minimum_cell_is_said_in_words():
    before = agreement()
    after = amended_agreement(change("minimum_cell = 5"), before, 1)
    assert (
        "looser: exact answers may show groups of 5 people and more, also where 10 was promised"
        in consequences(before, after)
    )


def test_the_policy_floor_becomes_stricter_and_looser_key_by_key():
    founded = agreement()
    text = 'floor = { exact = false, exact_training = "guarded", exact_requests_per_analyst = 5, largest_epsilon = "0.5" }'
    strict = amended_agreement(change(text), founded, 1)
    assert consequences(founded, strict)[:4] == [
        "policy floor: exact from yes to no; stricter: every site keeps to it, whatever its own file says",
        "policy floor: exact_training from unguarded to guarded; stricter: every site keeps to it, whatever its own file says",
        "policy floor: exact_requests_per_analyst from no limit to 5; stricter: every site keeps to it, whatever its own file says",
        "policy floor: largest_epsilon from no limit to 0.5; stricter: every site keeps to it, whatever its own file says",
    ]
    text = "floor = { exact = true, exact_requests_per_analyst = 9 }"
    looser = amended_agreement(change(text, strict), strict, 2)
    assert [line.split(";")[1].split(":")[0] for line in consequences(strict, looser)[:2]] == [" looser"] * 2
    own = Policy(exact=True, exact_training="unguarded", exact_requests_per_analyst=7)
    assert at_least(founded.file.floor, own) is own
    held = at_least(strict.file.floor, own)
    assert (held.exact, held.exact_training, held.exact_requests_per_analyst) == (False, "guarded", 5)
    assert (held.largest_epsilon, held.exact_numbers_per_population) == (Fraction(1, 2), 50_000)
    held = at_least(looser.file.floor, own)  # what the later terms do not name stays
    assert (held.exact, held.exact_training, held.exact_requests_per_analyst) == (True, "guarded", 7)
    assert held.largest_epsilon == Fraction(1, 2)


def test_the_floors_requirements_on_quality_add_to_a_sites_own_and_are_said_in_words():
    founded = agreement()
    text = 'floor = { require = { patients = ["completeness(age) >= 0.5"] } }'
    strict = amended_agreement(change(text), founded, 1)
    assert consequences(founded, strict)[0] == (
        "policy floor: require from no limit to patients: completeness(age) >= 0.5; "
        "stricter: every site keeps to it, whatever its own file says"
    )
    raised = amended_agreement(change(text.replace("0.5", "0.6"), strict), strict, 2)
    assert "; stricter" in consequences(strict, raised)[0]
    lowered = amended_agreement(change(text.replace("0.5", "0.4"), raised), raised, 3)
    assert "; looser" in consequences(raised, lowered)[0]
    gone = amended_agreement(change("floor = { require = {} }", lowered), lowered, 4)
    assert "; looser" in consequences(lowered, gone)[0]
    own = Policy(require={"patients": ["validity(age) >= 0.9"]})
    assert at_least(strict.file.floor, own).require == {
        "patients": ["completeness(age) >= 0.5", "validity(age) >= 0.9"]
    }
    assert at_least(strict.file.floor, Policy()).require == strict.file.floor.require
    for wrong in (text.replace("age", "ages"), text.replace("patients", "visits"), text.replace(">=", ">")):
        with pytest.raises((ConfigError, AmendmentRejectedError), match="require"):
            amended_agreement(change(wrong, founded), founded, 1)


def test_a_floor_without_figures_of_single_sites_holds_against_a_sites_own_consent():
    founded = agreement()
    strict = amended_agreement(change("floor = { site_results = false }"), founded, 1)
    assert consequences(founded, strict)[0] == (
        "policy floor: site_results from yes to no; stricter: every site keeps to it, whatever its own file says"
    )
    own = Policy(exact=True, site_results=True)
    assert at_least(founded.file.floor, own).site_results
    assert at_least(strict.file.floor, own) == own.model_copy(update={"site_results": False})
    assert not at_least(founded.file.floor, Policy(exact=True)).site_results


def test_a_founding_with_a_floor_has_another_digest_and_one_without_keeps_its_own():
    found = document()
    plain = read(found).digest()
    assert read({**found, "floor": {"exact": False}}).digest() != plain
    assert "floor" not in read(found).canonical()
    floor = read({**found, "floor": {"exact": False}}).canonical()["floor"]
    assert (
        "require" not in floor
    )  # an agreement without this key keeps the digest from before the key existed
    rules = {"require": {"patients": ["completeness(age) >= 0.5"]}}
    assert read({**found, "floor": rules}).canonical()["floor"]["require"] == rules["require"]


TRAININGS = [False, "guarded", "unguarded"]
POLICIES = {
    "exact": st.booleans(),
    "site_results": st.booleans(),
    "exact_training": st.sampled_from(TRAININGS),
    "exact_requests_per_analyst": st.integers(0, 100),
    "exact_numbers_per_population": st.integers(0, 100),
}


@given(st.fixed_dictionaries({}, optional=POLICIES), st.fixed_dictionaries(POLICIES))
def test_law_a_floor_never_permits_what_the_site_does_not(floor, own):
    held = at_least(Floor(**floor), Policy(**own))
    for key, value in own.items():
        order = TRAININGS.index if key == "exact_training" else int
        assert order(getattr(held, key)) == min(order(value), order(floor.get(key, value)))


def test_a_new_table_is_of_a_population_that_has_a_budget():
    table = '[tables.visits]\npopulation = "patients"\nprivacy_unit = "row"\nrows_max = 10\ncolumns = { ill = { type = "boolean" } }\n'
    assert "visits" in amended_agreement(change(table), agreement(), 1).schema.tables
    without = change(table.replace('population = "patients"', 'population = "others"'))
    with pytest.raises(AmendmentRejectedError, match="population others has no budget"):
        amended_agreement(without, agreement(), 1)


NARROWER = {
    "bounds": ('age = { type = "numeric", lower = 1, upper = 120, resolution = 1, unit = "a" }', "narrower"),
    "upper": ('age = { type = "numeric", lower = 0, upper = 119, resolution = 1, unit = "a" }', "narrower"),
    "unit": (
        'age = { type = "numeric", lower = 0, upper = 120, resolution = 1, unit = "mo" }',
        "resolution and unit",
    ),
    "grid": (
        'age = { type = "numeric", lower = 0, upper = 120, resolution = "0.5", unit = "a" }',
        "resolution and unit",
    ),
    "mean": (
        'age = { type = "numeric", lower = 0, upper = 120, resolution = 1, unit = "a", expected_mean = 50 }',
        "expected_mean",
    ),
    "type": ('age = { type = "boolean" }', "type cannot change"),
    "value": ('sex = { type = "categorical", domain = ["F"] }', "the values M cannot be given up"),
    "order": ('sex = { type = "categorical", domain = ["F", "X", "M"] }', "behind the earlier ones"),
    "guess": ('ill = { type = "boolean", guessed = true }', "cannot become guessed"),
}


@pytest.mark.parametrize(("given", "match"), NARROWER.values(), ids=NARROWER)
def test_attack_a_narrower_or_other_column_is_refused(given, match):
    with pytest.raises(ConfigError, match=match):
        terms(f"[tables.patients.columns]\n{given}\n")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("rows_max = 999", "rows_max cannot fall"),
        ("exact_dimensions = []", "must keep sex"),
        ('exact_dimensions = ["age", "age"]', "exact_dimensions"),
        ('privacy_unit = "age"', "privacy_unit of a present table cannot be amended"),
        ('population = "x"', "population of a present table"),
        ("max_rows_per_unit = 2", "max_rows_per_unit of a present table"),
        ("max_sites_per_unit = 1", "max_sites_per_unit of a present table"),
        ('unit_form = "integer"', "unit_form of a present table"),
        ('guessed = ["rows_max", "privacy_unit"]', "guessed cannot be added"),
        ("columns = 3", "columns must be a table"),
        ("nonsense = 3", "nonsense of a present table"),
    ],
)
def test_attack_a_table_of_another_meaning_is_refused(text, match):
    with pytest.raises(ConfigError, match=match):
        terms(f"[tables.patients]\n{text}\n")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "they change nothing"),
        ("minimum_cell = 10", "they change nothing"),
        ("minimum_cell = -1", "whole number"),
        ("minimum_cell = true", "whole number"),
        ('minimum_cell = "3"', "whole number"),
        ("colluding = 2", "colluding cannot be amended here"),
        ("tables = 3", "must be a table"),
        ("floor = 3", "must be a table"),
        ("floor = {}", "they change nothing"),
        ("floor = { exact = true }", "they change nothing"),
        ("floor = { exact = 3 }", "floor: exact"),
        ("floor = { exact_requests_per_analyst = -1 }", "exact_requests_per_analyst"),
        ("floor = { minimum_cell = 3 }", "minimum_cell"),
        ('[tables]\npatients = "x"', "must be a table"),
        ("[tables.patients.columns]\nage = 3", "must be a table"),
        ('[tables.patients.columns]\nPatient = { type = "identifier" }', "only the privacy unit"),
        ('[tables.patients.columns]\nSEX = { type = "boolean" }', "differ only in upper and lower case"),
    ],
)
def test_a_wrong_terms_file_is_refused(text, match):
    with pytest.raises(ConfigError, match=match):
        terms(text)


def test_bins_keep_every_earlier_edge():
    def column(*bins):
        upper = bins[-1]
        return {"type": "numeric", "lower": 0, "upper": upper, "resolution": 1, "bins": list(bins)}

    def schema(*bins):
        return Schema.from_dict(
            {"tables": {"t": {"privacy_unit": "row", "rows_max": 9, "columns": {"a": column(*bins)}}}}
        )

    old = schema(0, 50, 100)
    assert widening_mistakes(old, schema(0, 20, 50, 100, 120)) == []
    assert "earlier edge" in widening_mistakes(old, schema(0, 40, 100))[0]
    assert "earlier edge" in widening_mistakes(old, schema(0, 50, 120))[0]


@given(st.text(max_size=60) | st.binary(max_size=60).map(repr))
def test_law_any_text_is_terms_or_refused(text):
    try:
        found = AgreementTerms.from_text(text)
    except ConfigError:
        return
    assert found.to_text() == text


@pytest.mark.parametrize(
    "text",
    [
        '{"minimum_cell": 5}',
        '{"minimum_cell":5.0}',
        '{"minimum_cell":true}',
        '{"minimum_cell":null}',
        '{"tables":{}}',
        '{"tables":[1]}',
        '{"colluding":1}',
        '{"minimum_cell":1000001}',
        '{"floor":{}}',
        '{"floor":[]}',
        '{"floor":{"exact":false}}',
        "[]",
        "{}",
        "[" * 5000,
    ],
)
def test_malformed_terms_are_refused(text):
    with pytest.raises(ConfigError):
        AgreementTerms.from_text(text)
    with pytest.raises(AmendmentRejectedError):
        amended_agreement(AgreementChange(before=agreement().digest(), terms=text), agreement(), 1)


def test_attack_terms_that_say_more_than_they_change_are_refused():
    before = agreement()
    honest = json.loads(terms(SMOKER).to_text())
    honest["tables"]["patients"]["columns"]["ill"] = before.schema.tables["patients"].columns["ill"].to_dict()
    text = json.dumps(honest, sort_keys=True, separators=(",", ":"))
    with pytest.raises(AmendmentRejectedError, match="say more than they change"):
        amended_agreement(AgreementChange(before=before.digest(), terms=text), before, 1)


def test_terms_too_long_for_one_entry_are_refused():
    columns = "\n".join(f'column_{n} = {{ type = "boolean" }}' for n in range(600))
    with pytest.raises(ConfigError, match=f"one entry holds {MAX_TERMS}: amend in several steps"):
        terms(f"[tables.patients.columns]\n{columns}\n")


def test_attack_terms_of_another_consortium_or_of_another_agreement_are_refused():
    mine, other = agreement(), agreement(rows_max=1001)
    with pytest.raises(AmendmentRejectedError, match="not made on the agreement in force"):
        amended_agreement(change(SMOKER, other), mine, 1)
    later = amended_agreement(change(SMOKER, mine), mine, 1)
    with pytest.raises(AmendmentRejectedError, match="not made on the agreement in force"):
        amended_agreement(change(WIDER, mine), later, 2)
    assert (
        amended_agreement(change(WIDER, later), later, 2).schema.tables["patients"].columns["age"].upper
        == 130
    )


def test_the_members_file_brings_the_agreement_in_force_to_those_who_hold_no_ledger():
    founded = agreement()
    first = change(SMOKER, founded)
    middle = founded.amended(Amended(number=1, change=first))
    second = change(WIDER, middle)
    data = write_members([entry_of(first, founded), entry_of(second, founded, number=4)])
    found = with_members(founded, data)
    assert found.schema.tables["patients"].columns["age"].upper == 130
    assert [each.number for each in found.amendments] == [1, 4]
    assert found.with_changes(found.changes) == found  # the same entries again, from the own ledger
    assert found.with_changes(found.changes[:1]).configuration() == found.configuration()
    assert [each.configuration() for each in stages(found)] == [second.after, first.after, founded.digest()]


@pytest.mark.parametrize(
    "how", ["missing", "wrong key", "narrower", "again", "out of order", "other chain", "skips one"]
)
def test_attack_a_members_file_with_a_bad_change_is_refused(how):
    founded = agreement()
    first = change(SMOKER, founded)
    second = change(WIDER, founded.amended(Amended(number=1, change=first)))
    narrow = '{"tables":{"patients":{"rows_max":1}}}'
    entries = {
        "missing": [entry_of(first, founded, signers=("anna", "bert"))],
        "wrong key": [entry_of(first, founded, keys={**KEYS, "carl": KEYS["bert"]})],
        "narrower": [entry_of(AgreementChange(before=founded.digest(), terms=narrow), founded)],
        "again": [entry_of(first, founded), entry_of(first, founded, number=2)],
        "out of order": [entry_of(second, founded, number=2), entry_of(first, founded)],
        "other chain": [entry_of(change(SMOKER, agreement(rows_max=1001)), agreement(rows_max=1001))],
        "skips one": [entry_of(second, founded)],
    }[how]
    with pytest.raises(ConfigError):
        with_members(founded, write_members(entries))
