"""Key files: complete or absent, readable by their owner alone; a used site key is never replaced."""

import os
import re
import stat

import pytest

from federation.consortium.consortium_file import load_consortium
from federation.consortium.site_file import load_site
from federation.errors import ConfigError, KeyMismatchError
from federation.identity.authority import Authority
from federation.identity.certificates import Identity, read_private, write_private
from federation.node.site_key import SITE_KEY_BYTES, site_key
from federation.node.site_process import open_sources
from federation.paillier.key_files import PRIVATE_KEY_FILE, load_private_key
from federation.setup.create import create_consortium
from federation.training.running.helpers import pinned_key
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.setup.setup_world import make_sites, make_terms


@pytest.mark.parametrize("step", ["fdopen", "fsync", "link"])
def test_an_interrupted_key_file_is_created_by_the_next_attempt(tmp_path, monkeypatch, step):
    path = tmp_path / "anna.pem"

    def cut_short(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, cut_short)
        with pytest.raises(ConfigError, match="cannot be written: No space left"):
            write_private(path, b"key")
    assert not path.exists()
    (tmp_path / ".anna.pem.partial").write_bytes(b"k")  # as a killed process leaves it
    write_private(path, b"key")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["anna.pem"]
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"key", 0o600)
    with pytest.raises(ConfigError, match="File exists"):
        write_private(path, b"another")
    assert path.read_bytes() == b"key"


def test_an_identity_that_is_not_whole_says_the_next_step(tmp_path):
    path = tmp_path / "anna.pem"
    whole = Authority.create("trial").issue("anna", "site")
    for size in (0, 10, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:size])
        path.chmod(0o600)
        with pytest.raises(ConfigError, match="cut short, or it was damaged; put a copy back"):
            Identity.load(path)
    path.write_bytes(whole)
    assert Identity.load(path).name == "anna"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_site_key_readable_by_others_is_refused_with_the_repair_command(tmp_path, mode):
    path = tmp_path / "state" / "site.key"
    key = site_key(path, is_first_start=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(mode)
    for is_first_start in (True, False):
        with pytest.raises(ConfigError, match=f"run chmod 600 {path}"):
            site_key(path, is_first_start=is_first_start)
    path.chmod(0o600)
    assert site_key(path, is_first_start=False) == key


@pytest.mark.parametrize("size", [0, 1, SITE_KEY_BYTES - 1])
def test_an_unused_truncated_site_key_is_recreated_and_a_used_one_never(tmp_path, size):
    path = tmp_path / "site.key"
    key = site_key(path, is_first_start=True)
    path.write_bytes(key[:size])
    with pytest.raises(ConfigError, match="put a copy back"):
        site_key(path, is_first_start=False)
    assert path.read_bytes() == key[:size]
    fresh = site_key(path, is_first_start=True)
    assert (len(fresh), fresh != key) == (SITE_KEY_BYTES, True)
    path.write_bytes(fresh + b"x")  # too long is no write that was cut short
    with pytest.raises(ConfigError, match="33 bytes instead of 32"):
        site_key(path, is_first_start=True)


def test_a_site_that_has_a_ledger_never_gets_a_new_key(tmp_path):
    folders = create_consortium(
        tmp_path / "here", terms=make_terms(), sites=make_sites("anna", "bert", "carl")
    )
    config = load_site(folders.site("anna"))
    path = config.state / "site.key"
    config.state.mkdir()
    path.touch(mode=0o600)
    for source in open_sources(config).values():
        source.close()
    assert len(read_private(path)) == SITE_KEY_BYTES
    SqliteStore(folders.ledger("anna"), owner="anna").close()
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="put a copy back"):
        open_sources(config)


def test_a_ledger_file_whose_first_write_was_cut_short_is_an_empty_ledger(tmp_path):
    (tmp_path / "ledger.sqlite").touch(mode=0o600)
    store = SqliteStore(tmp_path / "ledger.sqlite", owner="anna")
    assert store.height() == 0
    store.close()


def test_setup_a_consortium_may_choose_a_key_of_short_exponents(tmp_path):
    made = {}
    for key_type in ("full-exponent", "short-exponent"):
        terms = make_terms(helpers=("aggregator", "keyholder"), key_type=key_type)
        places = create_consortium(tmp_path / key_type, terms=terms, sites=make_sites("a", "b", "c"))
        made[key_type] = load_consortium(places.consortium)
        key = load_private_key(places.helper("keyholder").parent / PRIVATE_KEY_FILE)
        assert key.public == pinned_key(made[key_type])
        assert key.public.key_type == key_type
    assert "paillier_base" not in made["full-exponent"].canonical()["keyholder"]
    assert made["short-exponent"].canonical()["keyholder"]["paillier_base"]
    text = places.consortium.read_text()
    changed = re.sub(r'paillier_base = "[0-9a-f]+"', 'paillier_base = "1"', text)
    assert changed != text
    places.consortium.write_text(changed)
    with pytest.raises(KeyMismatchError, match="base"):
        pinned_key(load_consortium(places.consortium))
    with pytest.raises(KeyMismatchError, match="type of a key"):
        create_consortium(
            tmp_path / "other",
            terms=make_terms(helpers=("keyholder",), key_type="fast"),
            sites=make_sites("a"),
        )
    assert not (tmp_path / "other").exists()
