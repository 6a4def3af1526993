"""Which of the project's TOML files a document is, so that the wrong one is named instead of every key in it.

Layer:       federation.consortium.file_format.file_kinds, the lowest module of this package. Pure.
See instead: the files themselves (``consortium_file``, ``site_file``, ``helper_file``, ``federation.training.task``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from federation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONSORTIUM: Final = "the consortium's file"
TERMS: Final = "the terms of a consortium that has not begun"
SITE: Final = "a site's file"
HELPER: Final = "a helper's file"
TASK: Final = "a training's task file"

_ALSO_GIVEN: Final = {
    CONSORTIUM: "consortium.toml, or its folder",
    SITE: "site.toml, or its folder",
    HELPER: "such as dealer.toml",
    TASK: "with features and target",
}
_MESSAGES: Final = {"missing": "is missing", "extra_forbidden": "is not a known key"}


def kind_of(document: Mapping[str, Any]) -> str:
    """Return the kind of a document by the keys that one kind alone has; empty where it is none for certain."""
    if "site" in document and "consortium" in document:
        return SITE
    if "sites" in document and "budgets" in document:
        return CONSORTIUM
    if "budgets" in document and "authority" in document:
        return TERMS
    if "features" in document and "target" in document:
        return TASK
    if "consortium" in document and "identity" in document and "tables" not in document:
        return HELPER
    return ""


def expect_kind(document: Mapping[str, Any], wanted: str, place: str) -> None:
    """Refuse a document that is certainly of another kind.

    Args:
        document: the parsed file.
        wanted: one of the kinds above.
        place: the file's name, for the message.

    Raises:
        ConfigError: one sentence with both kinds.
    """
    found = kind_of(document)
    if found in {"", wanted}:
        return
    named = document.get("consortium")
    where = f"; it names {named}" if wanted == CONSORTIUM and isinstance(named, str) else ""
    raise ConfigError(
        mistakes=[f"{place} is {found}; {wanted} is needed here ({_ALSO_GIVEN[wanted]}){where}"]
    )


def mistake_text(kind: str, message: str) -> str:
    """Return what is wrong with one key in the words of this project.

    Args:
        kind: the validator's name for the mistake.
        message: the validator's own text.
    """
    return _MESSAGES.get(kind, message.removeprefix("Value error, "))
