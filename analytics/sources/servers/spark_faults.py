"""What an error of Spark Connect means, without any of its text: it can quote cells.

Layer:       analytics.sources.servers above view_text.
Source:      ours; Spark 4's manual, "Error Conditions"; measured with PySpark 4.3.0.
"""

from __future__ import annotations

import re
from typing import Any, Final

from analytics.sources.servers.view_text import word_place

_LOST: Final = (
    "INVALID_HANDLE",
    "SESSION_CHANGED",
    "SESSION_CLOSED",
    "SESSION_NOT_SAME",
    "CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND",
    "RETRIES_EXCEEDED",
    "NO_ACTIVE_SESSION",
)
_LOST_CODES: Final = frozenset(
    {"UNAVAILABLE", "UNAUTHENTICATED", "PERMISSION_DENIED", "CANCELLED", "DEADLINE_EXCEEDED", "UNKNOWN"}
)
_LOST_TEXTS: Final = (
    "RETRIES_EXCEEDED",  # a warning, where warnings are errors
    "Checkpoint block",
    "CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND",
    "Received incorrect server side session",
    "SparkContext was shut down",
    "SparkContext has been shutdown",
    "stopped SparkContext",
    "ExecutorLostFailure",
    "Channel closed",
    "closed channel",
)
_CANCELLED: Final = "OPERATION_CANCELED"
_WORDS: Final = {
    "UNRESOLVED_COLUMN": ("objectName", "there is no column {}"),
    "TABLE_OR_VIEW_NOT_FOUND": ("relationName", "there is no table {}"),
    "UNRESOLVED_ROUTINE": ("routineName", "there is no function {}"),
    "PARSE_SYNTAX_ERROR": ("error", "it is not valid SQL near {}"),
}


def condition_of(error: BaseException) -> str:
    """Spark's name for the kind of error, such as ``DIVIDE_BY_ZERO``; empty where it has none."""
    return str(_asked(error, "getCondition") or "")


def is_lost(error: BaseException) -> bool:
    """Whether the cluster, the session, or rows that it kept are gone."""
    code = getattr(_asked(error, "getGrpcStatusCode"), "name", "")
    return (
        condition_of(error).startswith(_LOST)
        or code in _LOST_CODES
        or any(text in str(error) for text in _LOST_TEXTS)
    )


def is_cancelled(error: BaseException) -> bool:
    """Whether the statement was interrupted."""
    return condition_of(error).startswith(_CANCELLED) or _CANCELLED in str(error)


def view_fault(view: str, error: BaseException) -> str:
    """What is wrong with a view, as far as a word of the site's view itself says it.

    Args:
        view: its text; empty where the site has none, so that the fault is the cluster's own table's.
        error: what Spark said.

    Returns:
        A reason without any text but the view's own.
    """
    condition = condition_of(error)
    told = f" ({condition})" if re.fullmatch(r"[A-Z0-9_.]{1,120}", condition) else ""
    if is_lost(error):
        return "the cluster was lost while the table was read, or ended the session"
    if not view:
        return f"the table or view cannot be read{told}"
    key, meaning = _WORDS.get(condition.partition(".")[0], ("", ""))
    named = str((_asked(error, "getMessageParameters") or {}).get(key, "")).strip("'`\"")
    word = named.rpartition(".")[2].strip("`")
    place = word_place(view, word) if word else ""
    if place:
        return f"the site's view cannot be computed: {meaning.format(word)} (first at {place})"
    return f"the site's view cannot be computed over this source{told}"


def _asked(error: BaseException, method: str) -> Any:
    try:
        return getattr(error, method)()
    except Exception:  # noqa: BLE001  another kind of error
        return None
