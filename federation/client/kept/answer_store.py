"""The analyst's own store of released blocks: a file beside the identity that only the analyst's key can write.

Layer:       federation.client.kept.answer_store, below session. Asks no site.
Terms:       a *release* is one paid answer: its ledger entry and its blocks, each under its identity
             (``analytics.results.reuse``).
Guarantees:  every line carries a MAC under a key that follows from the analyst's private key, over itself and the MAC of
             the line before it. A line that was altered, moved, inserted, removed from the middle or written with another
             key is detected, and the whole store is refused. The file is for its owner alone (mode 0600). An interrupted
             write leaves a last line without an end, which counts as not written. A whole copy of an earlier state is not
             detected: it holds fewer releases, each of them true.
Visible to:  the analyst: noisy answers that were released to this analyst, and what was asked.
See instead: which releases answer a question (``federation.client.kept.kept_answers``).
Source:      docs/guarantees.md P23.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import stat
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from analytics.results.reuse import Observation
from analytics.statistics.uncertainty.noise_law import NoiseLaw
from federation.consortium.identity_paths import next_identity
from federation.errors import ConfigError
from federation.identity.certificates import OTHERS, PRIVATE_MODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from federation.identity.certificates import Identity

FORMAT: Final = "crossward answers 1"
SUFFIX: Final = ".answers"
GAUSSIAN_LAW: Final = "discrete_gaussian"
LAPLACE_LAW: Final = "discrete_laplace"
_PURPOSE: Final = b"crossward/answer-store/1"
_MAC_HEX: Final = 64
START_ANEW: Final = "move the file away to start a new one; what it holds would then be paid for again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One paid answer.

    Attributes:
        number: of the ledger entry.
        entry_hash: of the ledger entry, hexadecimal.
        time: of the ledger entry, seconds since 1970.
        epsilon: the stand-alone epsilon of the release, a decimal string.
        about: configuration, version, table, question; for people, identities decide.
        blocks: what was released of each block, by identity.
    """

    number: int
    entry_hash: str
    time: int
    epsilon: str
    about: Mapping[str, str]
    blocks: Mapping[str, Observation]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "number": self.number,
            "entry_hash": self.entry_hash,
            "time": self.time,
            "epsilon": self.epsilon,
            "about": dict(self.about),
            "blocks": {
                identity: {
                    "law": _law_data(each.law),
                    "values": list(each.values),
                }
                for identity, each in self.blocks.items()
            },
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Release:
        """Read what ``to_dict`` wrote; blocks with a noise law of another version are left out."""
        return Release(
            number=data["number"],
            entry_hash=data["entry_hash"],
            time=data["time"],
            epsilon=data["epsilon"],
            about=data["about"],
            blocks={
                identity: _observation(data["number"], block)
                for identity, block in data["blocks"].items()
                if block["law"]["name"] in {GAUSSIAN_LAW, LAPLACE_LAW}
            },
        )


def _observation(number: int, block: Mapping[str, Any]) -> Observation:
    law = {name: value for name, value in block["law"].items() if name != "name"}
    if "scale" in law:
        law |= {"sigma2_local": 0, "scale": Fraction(law["scale"])}
    return Observation(number=number, law=NoiseLaw(**law), values=tuple(block["values"]))


def _law_data(law: NoiseLaw) -> dict[str, Any]:
    """A noise law as plain data; a scale is a text, such as ``7/2``."""
    if law.scale is None:
        return {
            "name": GAUSSIAN_LAW,
            "n_sites": law.n_sites,
            "sigma2_local": law.sigma2_local,
            "weight": law.weight,
        }
    return {
        "name": LAPLACE_LAW,
        "n_sites": law.n_sites,
        "scale": str(law.scale),
        "shares": law.shares,
        "weight": law.weight,
    }


class AnswerStore:
    """The releases of one analyst; in memory where the identity lies in no file. Safe for several threads."""

    def __init__(self, identity: Identity) -> None:
        """Name the file; nothing is read or written yet."""
        self.path: Path | None = None if identity.path is None else identity.path.with_suffix(SUFFIX)
        self._key = identity.derived_key(_PURPOSE)
        self._header = {"format": FORMAT, "analyst": identity.name, "public_key": identity.public_hex}
        self._lock = threading.Lock()
        self._in_memory: list[Release] = []

    def releases(self) -> list[Release]:
        """Return every release, the oldest first.

        Raises:
            ConfigError: the file was altered, is another analyst's, cannot be read, or others may read it.
        """
        if self.path is None:
            return list(self._in_memory)
        try:
            with self._lock, _locked(self.path, os.O_RDONLY, fcntl.LOCK_SH) as descriptor:
                releases, _, _ = self._read(descriptor)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _refused(self.path, f"cannot be read: {error.strerror}") from error
        return releases

    def add(self, release: Release) -> None:
        """Append a release; it is on the disk when this returns.

        Raises:
            ConfigError: as ``releases``; the release is not kept.
        """
        if self.path is None:
            with self._lock:
                self._in_memory.append(release)
            return
        try:
            with self._lock, _locked(self.path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX) as descriptor:
                self._append(descriptor, release)
        except OSError as error:
            raise _refused(self.path, f"cannot be written: {error.strerror}") from error

    def _append(self, descriptor: int, release: Release) -> None:
        _, length, mac = self._read(descriptor)
        os.ftruncate(descriptor, length)  # what an interrupted write left behind
        lines = b""
        for body in ([self._header] if length == 0 else []) + [release.to_dict()]:
            data = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
            mac = self._mac(mac, data)
            lines += mac.encode() + b" " + data + b"\n"
        with os.fdopen(os.dup(descriptor), "ab") as stream:
            stream.seek(0, os.SEEK_END)
            stream.write(lines)
            stream.flush()
            os.fsync(stream.fileno())

    def _read(self, descriptor: int) -> tuple[list[Release], int, str]:
        """Return the releases, the length of the complete lines (bytes) and the last MAC."""
        path = self.path
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            stream.seek(0)
            content = stream.read()
        complete = content[: content.rfind(b"\n") + 1]
        mac, bodies = "", list[dict[str, Any]]()
        for line in complete.splitlines():
            found, data = line[:_MAC_HEX].decode("ascii", "replace"), line[_MAC_HEX + 1 :]
            if not bodies:
                self._check_owner(data)
            mac = self._mac(mac, data)
            if not hmac.compare_digest(mac.encode(), found.encode()):
                raise _refused(path, "was altered")
            bodies.append(json.loads(data))
        return [Release.from_dict(body) for body in bodies[1:]], len(complete), mac

    def _check_owner(self, data: bytes) -> None:
        """Tell another analyst's or another format's store from an altered one; the MAC decides in any case."""
        try:
            header = json.loads(data)
        except ValueError as error:
            raise _refused(self.path, "was altered") from error
        if header != self._header:
            raise _refused(self.path, "is another analyst's, or of another format")

    def _mac(self, before: str, data: bytes) -> str:
        return hmac.new(self._key, before.encode() + b" " + data, hashlib.sha256).hexdigest()


def carry_answers(present: Identity, following: Identity) -> None:
    """Write the releases of a renewed identity's store under its next key, beside the next identity.

    Args:
        present: the identity whose store is read.
        following: the next identity of the same analyst; what an interrupted call left beside it is written anew.

    Raises:
        ConfigError: the store was altered, or a file cannot be written.
    """
    target = AnswerStore(following)
    releases = AnswerStore(present).releases()
    if target.path is None:
        return
    try:
        target.path.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(target.path, f"cannot be removed: {error.strerror}") from error
    for release in releases:
        target.add(release)


def take_carried_answers(identity: Path) -> None:
    """Put the store that ``carry_answers`` wrote in its place, once the identity was exchanged.

    Args:
        identity: the identity file of now.

    Raises:
        ConfigError: the file cannot be renamed.
    """
    following = next_identity(identity)
    carried = following.with_suffix(SUFFIX)
    if following.exists() or not carried.exists():
        return
    try:
        carried.replace(identity.with_suffix(SUFFIX))
    except OSError as error:
        raise _refused(carried, f"cannot be renamed: {error.strerror}") from error


def _refused(path: Path | None, reason: str, remedy: str = START_ANEW) -> ConfigError:
    return ConfigError(mistakes=[f"{path}: the store of released answers {reason}; {remedy}"])


@contextmanager
def _locked(path: Path, flags: int, kind: int) -> Iterator[int]:
    """Open the file itself, never what a link points to, and lock it against other sessions of the analyst."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, PRIVATE_MODE)
    try:
        fcntl.flock(descriptor, kind)
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _refused(path, "is not a plain file")
        if stat.S_IMODE(mode) & OTHERS:
            reason = f"may be read or written by others (mode {stat.S_IMODE(mode):04o})"
            raise _refused(path, reason, remedy=f"run chmod 600 {path}")
        yield descriptor
    finally:
        os.close(descriptor)
