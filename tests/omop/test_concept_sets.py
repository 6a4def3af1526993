"""Concept sets: descendants, excluded, mapped and invalid concepts, files of ATLAS, and what is refused."""

import pytest

from analytics.errors import MappingError, SchemaMismatchError
from tests.omop.omop_world import counts, drawn, in_duckdb, research, spec_of

INDEX = '[index]\ndate = "2030-01-01"\n'
COLUMN = '[columns.n]\ntable = "condition_occurrence"\nset = "own"\ntake = "count"\n'


def members(folder, keys, files=(), column="condition_concept_id", more=""):
    """The concepts whose rows a set finds: every person has one condition of its own."""
    rows = drawn(1, n=0)
    concepts = [1, 2, 3, 4, 5, 9, 20]
    rows["person"] = [(number, 0, 1950, None, None, 0, 0) for number in concepts]
    rows["condition_occurrence"] = [
        (number, number, number, "2020-01-01", None, None, number, 0, None, None) for number in concepts
    ]
    source = in_duckdb(folder / "cdm.duckdb", rows)
    text = f"[sets.own]\n{keys}\n{INDEX}{COLUMN}{more}"
    return {
        person for person, row in research(spec_of(folder, text, source, "person", files)).items() if row["n"]
    }


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("concepts = [1]", {1, 2, 3, 4}),
        ("concepts = [1]\ndescendants = false", {1}),
        ("concepts = [1]\nexclude = [2]", {1, 3}),
        ("concepts = [2, 3]", {2, 3, 4}),
        ("concepts = [5]", {5}),
        ("concepts = [2]\nmapped = true", {2, 4, 9}),
        ("concepts = [1]\nexclude = [2]\nmapped = true", {1, 3}),
        ("concepts = [1, 9]\nexclude = [2]\nmapped = true", {1, 3}),
    ],
)
def test_members(tmp_path, keys, wanted):
    assert members(tmp_path, keys) == wanted


def test_a_file_of_atlas(tmp_path):
    items = [
        {"concept": {"CONCEPT_ID": 1, "CONCEPT_NAME": "x"}, "isExcluded": False, "includeDescendants": True},
        {
            "concept": {"CONCEPT_ID": 4},
            "isExcluded": True,
            "includeDescendants": False,
            "includeMapped": False,
        },
    ]
    assert members(tmp_path, 'file = "set.json"', [("set.json", {"items": items})]) == {1, 2, 3}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "no list items"),
        ({"items": [{"concept": {}}]}, "items 0: there is no CONCEPT_ID"),
        ({"items": [{"concept": {"CONCEPT_ID": 1}, "isExclude": True}]}, "there is no key isExclude"),
        ({"items": [{"concept": {"CONCEPT_ID": 1}, "isExcluded": 1}]}, "are true or false"),
        ({"items": [{"concept": {"CONCEPT_ID": 1}, "isExcluded": True}]}, "has no concept"),
    ],
)
def test_a_file_that_is_no_concept_set(tmp_path, content, said):
    with pytest.raises(MappingError, match=rf"line 3, sets.own: .*{said}"):
        members(tmp_path, 'file = "set.json"', [("set.json", content)])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("", "give concepts or file"),
        ("concepts = [1]\nexclude = [1]", "excludes all"),
        ('concepts = ["1"]', "valid integer"),
        ('concepts = [1]\nfile = "x.json"', "give concepts or file"),
        ('file = "x.json"\nmapped = true', "stand in the file"),
        ('file = "x.json"', "cannot read x.json"),
        ("concept = [1]", "there is no key concept here; nearest: concepts"),
    ],
)
def test_a_set_that_is_none(tmp_path, keys, said):
    with pytest.raises(MappingError, match=said):
        members(tmp_path, keys)


def test_concepts_that_the_vocabulary_does_not_have_are_named(tmp_path):
    rows = drawn(1, n=3)
    text = f"[sets.own]\nconcepts = [1, 777]\nexclude = [888]\n{INDEX}{COLUMN}"
    spec = spec_of(tmp_path, text, in_duckdb(tmp_path / "cdm.duckdb", rows), "person")
    with pytest.raises(
        SchemaMismatchError, match="concept set own: concept 777 is not in the site's vocabulary"
    ):
        research(spec)
    _, touched, done = counts(spec)
    refused = [rule for step in done.steps for rule in step.refusals]
    assert refused == [
        f"concept set own: concept {number} is not in the site's vocabulary" for number in (777, 888)
    ]
    assert not [rule for rule in touched if "not standard" in rule]


def test_many_concepts_are_looked_up_together(tmp_path):
    numbers = [1, *range(1000, 1250)]
    text = f"[sets.own]\nconcepts = {numbers}\n{INDEX}{COLUMN}"
    spec = spec_of(tmp_path, text, in_duckdb(tmp_path / "cdm.duckdb", drawn(1, n=1)), "person")
    _, touched, _ = counts(spec)
    assert touched["concept set own: further concepts that are not in the site's vocabulary"] == 51


def test_a_concept_that_no_row_can_have_is_counted(tmp_path):
    text = f"[sets.own]\nconcepts = [9]\n{INDEX}{COLUMN}"
    spec = spec_of(tmp_path, text, in_duckdb(tmp_path / "cdm.duckdb", drawn(1, n=1)), "person")
    _, touched, _ = counts(spec)
    assert touched["concept set own: concepts that are not standard, so that no row of the CDM has them"] == 1
