"""A sum that is opened in several processes: the same numbers, and nothing where one of them fails."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from federation.aggregation.open_sum import KeyHolder
from federation.errors import CiphertextInvalidError, SiteUnavailableError, UpdateRejectedError
from federation.paillier import power_process, powers
from federation.paillier.decrypt import REFUSED_SUM, Decryptor
from federation.paillier.powers import LEAST_EACH, raised

COUNT = 3 * LEAST_EACH + 5


@pytest.fixture
def started(monkeypatch):
    """Every child that is started, in order."""
    children, real = [], powers.start_child

    def start(module):
        children.append(real(module))
        return children[-1]

    monkeypatch.setattr(powers, "start_child", start)
    return children


@pytest.fixture
def holder(small_key, answers):
    return KeyHolder(small_key, answers, processes=2)


@pytest.fixture
def summed(stage, aggregator_of):
    """A manifest of many ciphertexts and its encrypted sum of 1 + 2 + 3."""
    manifest = stage.manifest(length=1500)
    assert manifest.layout.count >= 2 * LEAST_EACH
    return manifest, aggregator_of(manifest)


@pytest.fixture
def aggregator_of(stage, small_key):
    from federation.aggregation.secure_sum import SecureSum

    def total(manifest):
        aggregator = SecureSum(small_key.public)
        aggregator.begin(manifest)
        for value, site in enumerate(manifest.cohort, start=1):
            aggregator.accept(stage.update(manifest, value), sender=site)
        return aggregator.total(manifest)

    return total


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_any_number_of_processes_gives_the_plaintexts_in_order(small_key, encryptor, started, processes):
    values = [pow(3, i, small_key.public.n) for i in range(COUNT)]
    data = encryptor.encrypt(values)
    assert Decryptor(small_key, processes=processes).decrypt(data, count=COUNT) == values
    assert len(started) == (0 if processes == 1 else min(processes, 3))
    assert all(child.returncode == 0 for child in started)


def test_few_ciphertexts_start_no_process(small_key, encryptor, started):
    few = 2 * LEAST_EACH - 1
    data = encryptor.encrypt([5] * few)
    assert Decryptor(small_key, processes=8).decrypt(data, count=few) == [5] * few
    assert started == []


def test_powers_of_small_and_large_values_have_fixed_width():
    pairs = ((1 << 61) - 1, 5), ((1 << 31) - 1, 7)
    values = [0, 1, 2, 1 << 200, *range(3, 60)]
    expected = [tuple(pow(value, exponent, modulus) for modulus, exponent in pairs) for value in values]
    assert raised(values, pairs, processes=2) == expected


def test_a_key_holder_opens_in_processes_what_it_opens_alone(holder, summed, started):
    manifest, total = summed
    assert holder.open_sum(manifest, total, sender="aggregator").tolist() == [6] * 1500
    assert len(started) == 2
    assert all(child.poll() == 0 and child.stdin.closed and child.stdout.closed for child in started)


@pytest.mark.parametrize("at", ["begin", "end"])
def test_a_killed_process_is_named_and_nothing_is_opened_nor_asked_again(
    holder, summed, answers, monkeypatch, at
):
    manifest, total = summed
    children, real = [], powers.start_child

    def start(module):
        child = real(module) if at == "begin" or not children else long_running()
        children.append(child)
        if at == "begin":
            child.send_signal(signal.SIGKILL)
        elif len(children) == 2:
            threading.Timer(0.3, child.kill).start()
        return child

    monkeypatch.setattr(powers, "start_child", start)
    with pytest.raises(SiteUnavailableError, match="ended early: the attempt is spent") as caught:
        holder.open_sum(manifest, total, sender="aggregator")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert all(child.poll() is not None for child in children)
    assert len(answers.claimed()) == 1
    monkeypatch.setattr(powers, "start_child", real)
    with pytest.raises(UpdateRejectedError, match="answered before"):
        holder.open_sum(manifest, total, sender="aggregator")


def long_running():
    return subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], stdin=-1, stdout=-1, bufsize=0
    )


@pytest.mark.parametrize(
    "script",
    ["import sys; sys.stdin.buffer.read(); sys.stdout.write('x' * 9)", "raise SystemExit(1)", "pass"],
    ids=["short", "failed", "silent"],
)
def test_an_answer_of_another_length_is_no_answer(small_key, encryptor, monkeypatch, script):
    data = encryptor.encrypt([1] * COUNT)
    monkeypatch.setattr(
        powers,
        "start_child",
        lambda _: subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, bufsize=0),
    )
    with pytest.raises(SiteUnavailableError):
        Decryptor(small_key, processes=2).decrypt(data, count=COUNT)


def test_a_stopped_process_ends_at_the_limit(small_key, encryptor, monkeypatch):
    data = encryptor.encrypt([1] * COUNT)
    monkeypatch.setattr(powers, "start_child", lambda _: long_running())
    monkeypatch.setattr(powers, "_START_LIMIT_S", 0.2)
    monkeypatch.setattr(powers, "_LIMIT_EACH_S", 0.0)
    start = time.monotonic()
    with pytest.raises(SiteUnavailableError):
        Decryptor(small_key, processes=2).decrypt(data, count=COUNT)
    assert time.monotonic() - start < 30


def test_a_wrong_power_from_a_process_is_refused_before_the_logarithm(small_key, encryptor, monkeypatch):
    data = encryptor.encrypt([1] * COUNT)
    real = powers.raised
    monkeypatch.setattr(
        "federation.paillier.decrypt.raised",
        lambda *args, **more: [*real(*args, **more)[:-1], (small_key.p**2 - 1, 1)],
    )
    with pytest.raises(CiphertextInvalidError) as caught:
        Decryptor(small_key, processes=2).decrypt(data, count=COUNT)
    assert caught.value.reason == REFUSED_SUM


def test_the_key_is_in_no_argument_and_in_no_environment(small_key, encryptor, monkeypatch):
    seen, real = [], subprocess.Popen

    def popen(arguments, **more):
        seen.append((arguments, more))
        return real(arguments, **more)

    monkeypatch.setattr("federation.paillier.child_process.subprocess.Popen", popen)
    Decryptor(small_key, processes=2).decrypt(encryptor.encrypt([1] * COUNT), count=COUNT)
    assert len(seen) == 2
    for arguments, more in seen:
        assert arguments == [sys.executable, "-P", "-m", power_process.__name__]
        assert set(more) == {"env", "stdin", "stdout", "stderr", "bufsize", "close_fds"}
        assert set(more["env"]) == set(os.environ) | {"PYTHONPATH"}
        assert f"{small_key.p:x}" not in "".join(more["env"].values())


def test_attack_a_module_in_the_current_folder_is_not_run(small_key, encryptor, tmp_path, monkeypatch):
    """A folder that others can write to: a package of our name there would get the key."""
    package = tmp_path / "federation" / "paillier"
    package.mkdir(parents=True)
    spoil = "raise SystemExit('another program ran')\n"
    for path in (
        package.parent / "__init__.py",
        package / "__init__.py",
        tmp_path / "gmpy2.py",
        tmp_path / "json.py",
    ):
        path.write_text(spoil)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *(path for path in sys.path if path)])
    data = encryptor.encrypt([5] * COUNT)
    assert Decryptor(small_key, processes=2).decrypt(data, count=COUNT) == [5] * COUNT


def test_a_child_whose_parent_ended_while_it_wrote_computes_nothing():
    child = powers.start_child(powers.CHILD)
    answer, _ = child.communicate(b'{"count": 2, "width": 4, "pairs": [["ff", "3"]]}\n1234')
    assert (answer, child.returncode) == (b"", 1)
