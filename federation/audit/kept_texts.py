"""Request texts out of files: a site's own ``requests.sqlite``, or the JSON lines that an auditor has fetched.

Layer:       federation.audit, lowest.
Guarantees:  no text is returned before it is compared with the hash under which it was kept; one that differs is named
             with its place and never shown. Where several files hold a text, one that is whole is enough, and the
             others are named all the same.
See instead: fetching them over the network (``fetch``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError
from federation.node.records.request_texts import FILE, read_texts
from federation.protocol.request import request_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_SQLITE: Final = b"SQLite format 3\x00"


@dataclass(slots=True)
class KeptTexts:
    """The texts that were found.

    Attributes:
        texts: the requests' bytes by their hash; all of them have it.
        changed: by the hash under which a text was kept, the places where another text lies under it.
        places: the files or sites that were read.
    """

    texts: dict[str, bytes] = field(default_factory=dict, repr=False)
    changed: dict[str, list[str]] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)

    def add(self, found: Mapping[str, bytes] | Iterable[tuple[str, bytes]], *, place: str) -> None:
        """Take the texts of one place.

        Args:
            found: bytes by the hash under which they were kept.
            place: a file's name, or a site.
        """
        if place not in self.places:
            self.places.append(place)
        for digest, data in dict(found).items():
            if request_hash(data) == digest:
                self.texts[digest] = data
            else:
                self.changed.setdefault(digest, []).append(place)


def texts_beside(ledger: Path) -> list[Path]:
    """Return the file of texts that lies beside a site's own ledger, if there is one."""
    beside = ledger.parent / FILE
    return [beside] if beside.is_file() else []


def load_texts(paths: Sequence[Path]) -> KeptTexts:
    """Read files of texts.

    Args:
        paths: sites' ``requests.sqlite``, or files of JSON lines as ``crossward audit texts`` writes them.

    Raises:
        ConfigError: a file cannot be read, or holds something else.
    """
    kept = KeptTexts()
    for path in paths:
        try:
            with path.open("rb") as stream:
                is_database = stream.read(len(_SQLITE)) == _SQLITE
        except OSError as error:
            raise ConfigError(mistakes=[f"cannot read {path}: {error.strerror}"]) from error
        if is_database:
            kept.add(read_texts(path), place=path.name)
        else:
            _add_lines(kept, path)
    return kept


def text_line(site: str, digest: str, data: bytes) -> str:
    """Return one text as a JSON line.

    Args:
        site: where it is kept.
        digest: the hash under which it is kept.
        data: the bytes; what is not UTF-8 is replaced, and then no longer has its hash.
    """
    shape = {"site": site, "hash": digest, "request": data.decode("utf-8", "replace")}
    return json.dumps(shape, sort_keys=True)


def _add_lines(kept: KeptTexts, path: Path) -> None:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                shape = json.loads(line)
                site, digest, text = (shape[name] for name in ("site", "hash", "request"))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise ConfigError(mistakes=[f"{path.name}: line {number} is no request text"]) from error
            if not all(isinstance(value, str) for value in (site, digest, text)):
                raise ConfigError(mistakes=[f"{path.name}: line {number} is no request text"])
            kept.add({digest: text.encode("utf-8", "surrogatepass")}, place=site)
