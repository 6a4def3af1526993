"""What an administrator reads before signing: no value of the agreement can change without a word changing."""

import copy
import tomllib
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from federation.consortium.consortium_file import consortium_from_dict
from federation.errors import ConfigError
from federation.setup.several_machines.draft_review import in_words

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "consortium.toml"
KEYS = {
    "fingerprint",
    "public_key",
    "paillier_modulus",
}  # checked against the certificates, not read by people
FIXED = {"version", "authority"}


def document():
    text = EXAMPLE.read_text().replace(
        "# [computation]",
        '[auditors.vera]\nfingerprint = "' + "ab" * 32 + '"\npublic_key = "' + "cd" * 32 + '"\n#',
    )
    return tomllib.loads(text, parse_float=Decimal)


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    else:
        yield path, value


def others(key, value):
    """Values that could stand there instead."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [other for other in (value + 1, value - 1, value * 2, value + 10) if other != value]
    if isinstance(value, list):
        return [
            value[:-1],
            [*value[:-2], value[-2] - 1, value[-1]] if isinstance(value[0], int) else value[::-1],
        ]
    known = {
        "relation": ["replace_one"],
        "sequencer": ["north"],
        "privacy_unit": ["row"],
        "unit_form": ["integer"],
        "type": ["identifier"],
        "address": ["other.example:7843"],
        "mechanism": ["laplace"],
    }
    if key in known:
        return known[key]
    try:
        return [str(float(Fraction(value) / 2)), str(Fraction(value) + 1)] if Fraction(value) else ["1"]
    except ValueError:
        return [f"{value}x"]


def changed(base, path, value):
    made = copy.deepcopy(base)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return made


def words(given):
    return in_words(consortium_from_dict(given, authority_pem=b""))


def test_no_value_of_a_draft_changes_without_its_words():
    base = document()
    before = words(base)
    unseen, tried = [], set()
    for path, value in leaves(base):
        if path[-1] in KEYS or path[0] in FIXED:
            continue
        for other in others(path[-1], value):
            try:
                after = words(changed(base, path, other))
            except ConfigError:
                continue
            tried.add(path)
            if after == before:
                unseen.append((path, other))
    assert unseen == []
    assert len(tried) > 35, sorted(tried)


def test_a_member_or_column_more_or_fewer_changes_the_words():
    base = document()
    seen = {tuple(words(base))}
    for section, name in (("analysts", "ada"), ("auditors", "vera"), ("sites", "lakeside")):
        more = copy.deepcopy(base)
        more[section]["zoe"] = dict(base[section][name])
        seen.add(tuple(words(more)))
    for path in (("dealer",), ("tables", "visits", "columns", "chol"), ("budgets", "cardiology", "training")):
        fewer = copy.deepcopy(base)
        place = fewer
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        seen.add(tuple(words(fewer)))
    three = copy.deepcopy(base)
    del three["dealer"]
    three["computation"] = {"mode": "three-sites", "sites": ["st-mary", "north", "lakeside"]}
    seen.add(tuple(words(three)))
    assert len(seen) == 8
