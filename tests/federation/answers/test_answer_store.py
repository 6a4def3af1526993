"""The analyst's store of released blocks: what it keeps, and every way in which it must be refused."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from analytics.results.reuse import Observation
from analytics.statistics.uncertainty.noise_law import NoiseLaw
from federation.client.kept.answer_store import AnswerStore, Release
from federation.errors import ConfigError
from federation.identity.authority import in_memory_identity

ANALYST = in_memory_identity("analyst", "analyst")
OTHER = in_memory_identity("analyst", "analyst")  # of the same name, with a key of its own


def release(number, *, identity="block", values=(7, -3), weight=1):
    block = Observation(
        number=number, law=NoiseLaw(n_sites=3, sigma2_local=64, weight=weight), values=tuple(values)
    )
    return Release(
        number=number,
        entry_hash=f"{number:064x}",
        time=1_700_000_000 + number,
        epsilon="0.5",
        about={"table": "visits"},
        blocks={identity: block},
    )


@pytest.fixture
def identity(tmp_path):
    return replace(ANALYST, path=tmp_path / "analyst.pem")


@pytest.fixture
def store(identity):
    found = AnswerStore(identity)
    for number in (1, 2, 3):
        found.add(release(number))
    return found


def refused(store, match):
    for action in (store.releases, lambda: store.add(release(9))):
        before = store.path.read_bytes()
        with pytest.raises(ConfigError, match=match):
            action()
        assert store.path.read_bytes() == before


def test_a_store_gives_back_what_was_added_also_to_another_session(store, identity):
    expected = [release(number) for number in (1, 2, 3)]
    assert store.releases() == expected
    assert AnswerStore(identity).releases() == expected
    assert store.path.name == "analyst.answers"
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_without_a_file_it_lives_in_memory_and_without_a_line_it_is_empty(identity):
    store = AnswerStore(ANALYST)
    store.add(release(1))
    assert (store.path, store.releases()) == (None, [release(1)])
    assert AnswerStore(ANALYST).releases() == []
    assert AnswerStore(identity).releases() == []


def test_attack_one_changed_byte_anywhere_is_refused(store):
    content = store.path.read_bytes()
    for place in range(0, len(content) - 1, 7):  # the end of the last line: an interrupted write, below
        store.path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        refused(store, "was altered|is another analyst's")


@pytest.mark.parametrize(
    "order",
    [
        [0, 2, 3],
        [0, 1, 3],
        [0, 2, 1, 3],
        [1, 2, 3],
        [0, 1, 1, 2, 3],
        [0, 1, 2, 3, 3],
        [0, 0, 1, 2, 3],
        [3],
        [0, 3],
    ],
    ids=str,
)
def test_attack_lines_removed_moved_or_repeated_are_refused(store, order):
    lines = store.path.read_bytes().splitlines(keepends=True)
    store.path.write_bytes(b"".join(lines[place] for place in order))
    refused(store, "was altered|is another analyst's")


def test_attack_a_figure_written_by_hand_is_refused(store):
    content = store.path.read_text()
    store.path.write_text(content.replace('"values":[7,-3]', '"values":[70,-3]', 1))
    refused(store, "was altered")


def test_attack_an_invented_release_without_the_key_is_refused(store):
    data = json.dumps(release(4).to_dict(), sort_keys=True, separators=(",", ":"))
    with store.path.open("a") as stream:
        stream.write(f"{'0' * 64} {data}\n")
    refused(store, "was altered")


def test_attack_another_analysts_store_is_refused_also_under_my_header(store, tmp_path):
    theirs = AnswerStore(replace(OTHER, path=store.path.with_name("other.pem")))
    theirs.add(release(5))
    lines = theirs.path.read_bytes().splitlines(keepends=True)
    mine = store.path.read_bytes().splitlines(keepends=True)
    theirs.path.replace(store.path)
    refused(store, "is another analyst's")
    store.path.write_bytes(mine[0] + lines[1])  # their release under this analyst's header
    refused(store, "was altered")
    store.path.write_bytes(b"".join([*mine, lines[1]]))
    refused(store, "was altered")


def test_a_store_that_others_may_read_is_refused_with_the_remedy(store):
    for mode in (0o644, 0o620, 0o604):
        store.path.chmod(mode)
        refused(store, "run chmod 600")


def test_a_link_a_folder_and_a_pipe_are_no_store(store, tmp_path):
    target = tmp_path / "elsewhere"
    store.path.rename(target)
    store.path.symlink_to(target)
    with pytest.raises(ConfigError, match="cannot be read"):
        store.releases()
    with pytest.raises(ConfigError, match="cannot be written"):
        store.add(release(4))
    store.path.unlink()
    os.mkfifo(store.path, 0o600)
    with pytest.raises(ConfigError, match="not a plain file"):
        store.releases()
    store.path.unlink()
    store.path.mkdir()
    with pytest.raises(ConfigError, match=r"cannot be|not a plain file"):
        store.releases()


def test_an_interrupted_write_at_any_byte_loses_the_last_release_alone(store):
    content = store.path.read_bytes()
    last = content[:-1].rfind(b"\n") + 1
    for length in range(last, len(content), 17):
        store.path.write_bytes(content[:length])
        assert [each.number for each in store.releases()] == [1, 2]
        store.add(release(8))
        assert [each.number for each in store.releases()] == [1, 2, 8]
    store.path.write_bytes(content[:20])  # cut in the first line
    assert store.releases() == []
    store.add(release(8))
    assert [each.number for each in store.releases()] == [8]


def test_limit_a_whole_copy_of_an_earlier_state_goes_unnoticed(store):
    lines = store.path.read_bytes().splitlines(keepends=True)
    store.path.write_bytes(b"".join(lines[:-1]))
    assert [each.number for each in store.releases()] == [1, 2]  # fewer releases, each of them true


def test_sessions_at_the_same_time_lose_nothing(identity):
    stores = [AnswerStore(identity) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: stores[number % 4].add(release(number)), range(40)))
    assert sorted(each.number for each in stores[0].releases()) == list(range(40))


def test_a_noise_law_of_another_version_is_left_out(identity):
    store = AnswerStore(identity)

    class Later(Release):
        def to_dict(self):
            data = super().to_dict()
            data["blocks"]["block"]["law"]["name"] = "another"
            return data

    plain = release(1)
    store.add(Later(**{name: getattr(plain, name) for name in Release.__slots__}))
    assert [dict(each.blocks) for each in store.releases()] == [{}]


def test_no_message_or_repr_shows_the_key(store):
    key = store._key
    assert key.hex() not in repr(vars(store)["_header"])
    assert key not in store.path.read_bytes()
    assert key.hex().encode() not in store.path.read_bytes()
    assert OTHER.derived_key(b"x") != ANALYST.derived_key(b"x") != ANALYST.derived_key(b"y")
