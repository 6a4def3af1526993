"""Three computing sites in the consortium file: strict checks, part of the digest, written by init, shown by doctor."""

import copy
import tomllib

import pytest

from federation.consortium.consortium_file import consortium_from_dict, load_consortium
from federation.diagnostics.checks import examine_files
from federation.errors import ConfigError
from federation.processes.worker import nodes_of
from federation.setup.create import create_consortium
from federation.setup.infer_schema import init_consortium
from smpc.computing_sites import ThreeSites
from tests.setup.setup_world import BUDGET, HEART, SCHEMA, make_sites, make_terms

SITES = ["anna", "bert", "carl"]


def member(place):
    return {
        "address": f"{place}.example:7843",
        "fingerprint": f"{place:064x}",
        "public_key": f"{place + 1:064x}",
    }


def document(**changes):
    given = {
        "version": 1,
        "name": "trial",
        "authority": "authority.pem",
        "relation": "add_or_remove_one",
        "delta": "0.000001",
        "colluding": 1,
        "sequencer": "anna",
        "sites": {name: member(place) for place, name in enumerate([*SITES, "dora"])},
        "analysts": {"ada": {"fingerprint": f"{77:064x}", "public_key": f"{78:064x}"}},
        "budgets": {"visits": BUDGET},
        "tables": copy.deepcopy(tomllib.loads(SCHEMA)["tables"]),
    }
    return given | changes


def computation(*sites, mode="three-sites"):
    return {"computation": {"mode": mode, "sites": list(sites)}}


def read(**changes):
    return consortium_from_dict(document(**changes), authority_pem=b"")


def test_the_order_of_the_three_says_who_does_what():
    agreement = read(**computation("dora", "anna", "carl"))
    assert agreement.three_sites == ThreeSites(first="dora", second="anna", dealing="carl")
    assert agreement.names == ("anna", "bert", "carl", "dora")
    assert read().three_sites is None


DEALER = {"dealer": {"name": "dealer", **member(9)}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (computation("anna", "bert"), "exactly 3 different sites"),
        (computation("anna", "bert", "bert"), "exactly 3 different sites"),
        (computation(*SITES, "dora"), "exactly 3 different sites"),
        (computation(), "exactly 3 different sites"),
        (computation("anna", "bert", "emil"), "emil is not one of the sites"),
        (computation(*SITES, mode="two-sites"), "computation.mode"),
        ({"computation": {"mode": "three-sites"}}, "computation.sites"),
        ({"computation": {"sites": SITES}}, "computation.mode"),
        ({"computation": {"mode": "three-sites", "sites": SITES, "threshold": 2}}, "computation.threshold"),
        ({"computation": {"mode": "three-sites", "sites": "anna, bert, carl"}}, "computation.sites"),
        (computation(*SITES) | DEALER, "compute without one"),
        (computation(*SITES) | {"colluding": 2}, "colluding: at most 1"),
    ],
)
def test_anything_else_is_refused_with_what_does_not_fit(changes, said):
    with pytest.raises(ConfigError) as caught:
        read(**changes)
    assert any(said in mistake for mistake in caught.value.mistakes)


def test_two_sites_cannot_agree_on_three():
    two = {"sites": {name: member(place) for place, name in enumerate(SITES[:2])}}
    with pytest.raises(ConfigError, match="carl is not one of the sites"):
        read(**two, **computation(*SITES))


def test_the_digest_covers_the_computing_sites_and_their_roles():
    digests = [
        read(**changes).digest()
        for changes in (
            {},
            DEALER,
            computation("anna", "bert", "carl"),
            computation("carl", "bert", "anna"),
            computation("anna", "bert", "dora"),
        )
    ]
    assert len(set(digests)) == len(digests)


def test_an_agreement_without_computing_sites_keeps_its_former_digest():
    """Ledgers begin with this hash: made by the code before, from the same document."""
    assert read(**DEALER).digest() == "7e1a9967e0a475a8c27177d5190d463b303a583b1e9ec7f36259ed7f452c44d4"


def test_what_is_written_loads_and_has_no_dealer(tmp_path):
    terms = make_terms(helpers=(), three_sites=("carl", "anna", "bert"))
    folders = create_consortium(
        tmp_path / "here", terms=terms, sites=make_sites("anna", "bert", "carl", "dora")
    )
    agreement = load_consortium(folders.consortium)
    assert agreement.three_sites == ThreeSites.of(("carl", "anna", "bert"))
    assert agreement.file.dealer is None
    assert "any two of them together could read" in folders.consortium.read_text()
    assert {spec.role for spec in nodes_of(folders)} == {"site"}


@pytest.mark.parametrize(
    "changes",
    [{"three_sites": ("anna", "bert", "carl")}, {"helpers": (), "three_sites": ("anna", "bert", "emil")}],
)
def test_what_does_not_fit_leaves_nothing_behind(tmp_path, changes):
    with pytest.raises(ConfigError):
        create_consortium(tmp_path / "bad", terms=make_terms(**changes), sites=make_sites(*SITES))
    assert not (tmp_path / "bad").exists()


def test_init_without_a_dealer_takes_the_first_three_sites(tmp_path):
    files = dict.fromkeys(("dora", *SITES), HEART / "cleveland.csv")
    agreement = load_consortium(init_consortium(tmp_path / "new", sites=files, has_dealer=False).consortium)
    assert agreement.three_sites == ThreeSites.of(("dora", "anna", "bert"))
    assert agreement.file.dealer is None
    assert agreement.file.aggregator is not None
    with pytest.raises(ConfigError, match="at least three sites: without a dealer"):
        init_consortium(tmp_path / "few", sites=dict(list(files.items())[:2]), has_dealer=False)
    assert not (tmp_path / "few").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"helpers": (), "three_sites": SITES}, "anna and bert evaluate, carl deals"),
        ({}, "as long as the dealer (dealer) colludes with no site"),
        ({"helpers": ()}, "guarded answers and mining are refused"),
    ],
)
def test_doctor_says_on_whose_honesty_it_rests(tmp_path, changes, said):
    folders = create_consortium(tmp_path / "here", terms=make_terms(**changes), sites=make_sites(*SITES))
    (finding,) = [f for f in examine_files(folders.consortium) if f.what == "comparisons and products"]
    assert finding.is_good
    assert said in finding.text
