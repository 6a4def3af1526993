import shutil
import stat
import tomllib
from pathlib import Path

import pytest

from federation.consortium.consortium_file import load_consortium
from federation.consortium.genesis import genesis_body
from federation.consortium.helper_file import load_helper
from federation.consortium.site_file import load_site
from federation.errors import ConfigError
from federation.identity.authority import Authority
from federation.identity.certificates import Identity
from federation.setup.create import create_consortium
from federation.setup.free_ports import LOWEST, free_ports
from tests.setup.setup_world import make_sites, make_terms

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def test_setup_a_sites_folder_leads_to_the_consortium(consortium_folder):
    folder = consortium_folder.site("anna").parent
    assert load_consortium(folder).digest() == load_consortium(consortium_folder.root).digest()


def every_file(root):
    return [path for path in root.rglob("*") if path.is_file()]


def test_setup_created_consortium_loads_and_its_keys_are_private(consortium_folder):
    agreement = load_consortium(consortium_folder.consortium)
    assert agreement.names == ("anna", "bert", "carl")
    private = [path for path in every_file(consortium_folder.root) if b"PRIVATE KEY" in path.read_bytes()]
    assert len(private) == 3 + 1 + 1 + 1  # sites, dealer, analyst, authority
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private)
    for name in agreement.names:
        config = load_site(consortium_folder.site(name))
        who = Identity.load(config.identity)
        member = agreement.file.sites[name]
        assert (member.fingerprint, member.public_key) == (who.fingerprint, who.public_hex)
        assert who.is_issued_by(agreement.authority_pem)
    assert len({member.address for member in agreement.file.sites.values()}) == 3
    assert agreement.file.colluding == 1
    assert agreement.digest() == load_site(consortium_folder.site("anna")).consortium.digest()


def test_setup_two_consortia_share_no_key(consortium_folder, tmp_path):
    other = create_consortium(tmp_path / "twin", terms=make_terms(), sites=make_sites("anna", "bert"))
    ours = Authority.load(consortium_folder.authority)
    assert not Identity.load(other.analyst("analyst")).is_issued_by(ours.certificate_pem)


def test_setup_existing_consortium_is_never_overwritten(consortium_folder):
    before = {path: path.read_bytes() for path in every_file(consortium_folder.root)}
    with pytest.raises(ConfigError, match="never overwritten"):
        create_consortium(consortium_folder.root, terms=make_terms(), sites=make_sites("x", "y"))
    assert {path: path.read_bytes() for path in every_file(consortium_folder.root)} == before


@pytest.mark.parametrize(
    "changes",
    [
        {"relation": "neighbours"},
        {"colluding": 3},
        {"delta": "1e-6"},
        {"name": "Not A Name"},
        {"schema": "[tables.other]\nprivacy_unit = 'row'\n"},
        {"budgets": {}},
    ],
)
def test_setup_a_refused_input_leaves_no_file(tmp_path, changes):
    folder = tmp_path / "bad"
    with pytest.raises(ConfigError):
        create_consortium(folder, terms=make_terms(**changes), sites=make_sites("anna", "bert", "carl"))
    assert not folder.exists()


def test_setup_file_in_the_way_is_said(tmp_path):
    (tmp_path / "here").write_text("mine")
    with pytest.raises(ConfigError):
        create_consortium(tmp_path / "here", terms=make_terms(), sites=make_sites("anna", "bert"))
    assert (tmp_path / "here").read_text() == "mine"
    with pytest.raises(ConfigError):
        create_consortium(tmp_path / "here" / "below", terms=make_terms(), sites=make_sites("anna", "bert"))


def test_setup_ports_differ_and_lie_below_outgoing_ones():
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = free_ports(12)
    assert len(set(ports)) == 12
    assert all(LOWEST <= port < first for port in ports)


def test_setup_examples_load_and_price(tmp_path):
    """The commented examples are files that a node would start with."""
    for path in EXAMPLES.glob("*.toml"):
        shutil.copy(path, tmp_path)
    (tmp_path / "authority.pem").write_bytes(Authority.create("cardio").certificate_pem)
    agreement = load_consortium(tmp_path / "consortium.toml")
    assert genesis_body(agreement).content.sequencer == "st-mary"
    assert load_helper(tmp_path / "dealer.toml").identity == tmp_path / "dealer.pem"
    site = load_site(tmp_path / "site.toml")
    assert site.consortium.digest() == agreement.digest()
    assert site.file.policy.largest_epsilon == 1


def test_setup_examples_show_every_key_that_a_person_sets():
    from federation.consortium.consortium_model import Budget, ConsortiumFile
    from federation.consortium.site_file import Policy, SiteFile

    documents = {
        name: tomllib.loads((EXAMPLES / f"{name}.toml").read_text()) for name in ("consortium", "site")
    }
    text = (EXAMPLES / "consortium.toml").read_text()
    for name in ConsortiumFile.model_fields:
        assert name in documents["consortium"] or f"[{name}]" in text, name
    commented = {"listen"}
    assert set(documents["site"]) | commented == set(SiteFile.model_fields)
    assert all(f"# {key} = " in (EXAMPLES / "site.toml").read_text() for key in commented)
    assert set(documents["site"]["policy"]) == set(Policy.model_fields)
    spent = set(Budget.model_fields) - {"mining"}  # private mining needs a share that a person sets aside
    assert set(documents["consortium"]["budgets"]["cardiology"]) == spent


def test_setup_examples_hold_no_mistake_that_loading_overlooks(tmp_path):
    """Any key misspelled in an example is refused, so the examples above are read in full."""
    for path in EXAMPLES.glob("*.toml"):
        shutil.copy(path, tmp_path)
    (tmp_path / "authority.pem").write_bytes(Authority.create("cardio").certificate_pem)
    path = tmp_path / "site.toml"
    path.write_text(path.read_text().replace("largest_epsilon", "largest_epsilom"))
    with pytest.raises(ConfigError, match="largest_epsilom"):
        load_site(path)


def test_setup_helper_file_tells_all_mistakes(tmp_path):
    path = tmp_path / "dealer.toml"
    for content, count in (("version = 2\nidentity = ''\nport = 1", 4), ("version =", 1), ("\0", 1)):
        path.write_text(content)
        with pytest.raises(ConfigError) as caught:
            load_helper(path)
        assert len(caught.value.mistakes) == count
    path.write_bytes(b"\xff\xfe")
    for each in (path, tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError):
            load_helper(each)
