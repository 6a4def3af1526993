"""Identifiers in the form for linkage, at ingest, and the marks of linkages that began."""

import hashlib
import os
import stat

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.errors import ReleaseRefusedError, SchemaError
from analytics.schema import Schema
from analytics.sources import open_frame
from analytics.sources.links.kept_links import KeptLink, SiteLinks
from analytics.sources.links.link_forms import link_digest, link_form

ALL = ("nfkc", "casefold", "no_blanks", "no_punctuation", "no_leading_zeros")
KEY = b"k" * 32


@pytest.mark.parametrize(
    ("text", "steps", "form"),
    [
        ("Müller 7", (), "Müller 7"),
        ("Ｍｕ̈ller 7", ("nfkc",), "Müller 7"),
        ("STRASSE", ("casefold",), "strasse"),
        ("Straße", ("casefold",), "strasse"),
        ("a b\u00a0c\u200bd", ("no_blanks",), "abcd"),
        ("1970-01-02/x", ("no_punctuation",), "19700102x"),
        ("00071", ("no_leading_zeros",), "71"),
        ("000", ("no_leading_zeros",), "0"),
        ("٧7", ("no_leading_zeros",), "٧7"),
        ("--", ALL, ""),
    ],
)
def test_steps(text, steps, form):
    assert link_form(text, steps) == form


@settings(max_examples=40)
@given(st.text(max_size=30), st.sets(st.sampled_from(ALL)).map(sorted))
def test_a_form_is_its_own_form(text, steps):
    form = link_form(text, steps)
    assert link_form(form, steps) == form


def test_an_identifier_of_which_nothing_is_left_is_not_linked():
    assert link_digest("--", ("no_punctuation",)) is None
    assert link_digest("a", ()) == hashlib.sha256(b"crossward/link/1\na").hexdigest()


def table(steps, **more):
    body = {
        "privacy_unit": "pid",
        "max_rows_per_unit": 2,
        "rows_max": 50,
        "columns": {"pid": {"type": "identifier"}, "ill": {"type": "boolean"}},
        **({} if steps is None else {"link_form": steps}),
        **more,
    }
    return Schema.from_dict({"tables": {"patients": body}}).tables["patients"]


def opened(ids, steps):
    frame = pd.DataFrame({"pid": ids, "ill": [True] * len(ids)})
    return open_frame(frame, table(steps), site_key=KEY)


def test_the_schema_keeps_steps_in_one_order_and_refuses_others():
    assert table(["casefold", "nfkc"]).link_form == ("nfkc", "casefold")
    assert table([]).to_dict()["link_form"] == []
    assert "link_form" not in table(None).to_dict()
    with pytest.raises(SchemaError, match="list of steps"):
        table(["soundex"])
    with pytest.raises(SchemaError, match="needs an identifier"):
        Schema.from_dict(
            {
                "tables": {
                    "t": {
                        "privacy_unit": "row",
                        "rows_max": 5,
                        "link_form": [],
                        "columns": {"ill": {"type": "boolean"}},
                    }
                }
            }
        )


def test_the_clean_table_holds_one_digest_a_person_and_no_identifier():
    with opened(["Ann 1", "Ann 1", " Bob2", "?", "--"], ["casefold", "no_punctuation"]) as source:
        found = source.link_digests()
        assert [digest.hex() for digest in found] == sorted(
            link_digest(form, ()) for form in ("ann1", "bob2")
        )
        columns = source.engine.rows("SELECT * FROM patients", None)
        assert not any("Ann" in str(cell) for row in columns for cell in row)
        assert source.report.link_duplicates == 0
        assert list(source.report.row_faults()) == []


def test_identifiers_that_are_equal_in_the_form_for_linkage_stop_it_and_are_counted_for_the_administrator():
    with opened(["Ann", "ann", "ANN ", "Bob"], ["casefold"]) as source:
        source.links = links()
        assert source.report.link_duplicates == 3
        assert any(line.startswith("3 identifiers are not unique") for line in source.report.row_lines())
        assert not any(character.isdigit() for fault in source.report.row_faults() for character in fault)
        assert "administrator" in source.link_fault()
        assert not any(character.isdigit() for character in source.link_fault())


def test_a_table_without_linkages_says_so():
    with opened(["Ann"], []) as source:
        assert source.link_fault()
        source.links = links()
        assert source.link_fault() == ""


class NoSigner:
    def sign(self, data):
        return bytes(64)

    def has_signed(self, party, data, signature):
        return False


def links(folder=None, versions=None):
    known = versions if versions is not None else {}
    return SiteLinks(owner="ada", identity=NoSigner(), version=lambda name: known.get(name, 1), folder=folder)


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_a_linkage_begins_once_for_a_version_and_a_peer(is_on_disk, tmp_path):
    versions = {"patients": 1}
    place = tmp_path / "links" if is_on_disk else None
    site = links(place, versions)
    first = site.linkage("patients", "bob")
    assert not site.has_begun(first)
    site.begin(first)
    again = links(place, versions) if is_on_disk else site  # after a restart
    assert again.has_begun(again.linkage("patients", "bob"))
    with pytest.raises(ReleaseRefusedError):
        again.begin(again.linkage("patients", "bob"))
    again.begin(again.linkage("patients", "cyd"))
    again.begin(again.linkage("other", "bob"))
    versions["patients"] = 2
    again.begin(again.linkage("patients", "bob"))
    assert again.kept(first) is None


def test_what_is_kept_holds_no_identifier_and_finds_the_order_again(tmp_path):
    site = links(tmp_path / "links")
    people = [hashlib.sha256(bytes([number])).digest() for number in range(5)]
    link = KeptLink.of(
        [people[3], people[0]], session="ab" * 32, learns="rows", commitment=b"c" * 32, signature=b"s" * 64
    )
    site.keep(site.linkage("patients", "bob"), link)
    (file,) = (tmp_path / "links").iterdir()
    data = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(os.stat(tmp_path / "links").st_mode) == 0o700
    assert not any(person in data or person.hex().encode() in data for person in people)
    kept = site.kept(site.linkage("patients", "bob"))
    assert kept == link
    assert kept.places(people).tolist() == [1, -1, -1, 0, -1]
    assert "c" * 8 not in repr(kept)
