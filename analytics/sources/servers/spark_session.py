"""How a site's node reaches a Spark cluster: a session of Spark Connect with fixed settings.

Layer:       analytics.sources.servers above access.
Guarantees:  no token stands in a site file or an address. Every session computes in ANSI mode and UTC, takes names in double
             quotation marks, skips no file that is missing or broken, and guesses no type of a folder's name; where the
             cluster keeps one of these settings from being made, it is refused. PySpark writes each error of a statement
             to this process's standard error, with the cell that caused it: its loggers are shut off before the first one.
             Nothing but SELECT is ever sent; Spark itself has no session that cannot write, so the login's rights decide.
Source:      ours; Spark 4's manual, "Spark Connect", "ANSI Compliance"; measured with PySpark 4.3.0.
"""

from __future__ import annotations

import atexit
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from analytics.errors import SchemaMismatchError
from analytics.sources.servers.access import password_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analytics.sources.servers.access import ServerAccess

T = TypeVar("T")

CONNECT_LIMIT_S: Final = 60.0
CLOSE_LIMIT_S: Final = 5.0
RETRIES: Final = 4
OLDEST: Final = 4
SETTINGS: Final = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.ReorderAssociativeOperator",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parquet.mergeSchema": "false",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
}
"""The excluded rule would compute ``(0 * x) * (0 * x)`` as ``x * x * 0``, which overflows where what was asked does not."""
_LOGGERS: Final = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
_IMPORTING = threading.Lock()
_SAID: Final = {
    "UNAUTHENTICATED": (
        "the cluster refused the token, or asks for one: name password_file or password_env in the site file"
    ),
    "PERMISSION_DENIED": "the cluster refused the login",
    "UNIMPLEMENTED": "what answers at this address is no Spark Connect server",
}


def bounded(call: Callable[[], T], limit_s: float) -> T:
    """Run something that may never return.

    Args:
        call: it; where it takes too long, its thread is left to itself.
        limit_s: seconds to wait.

    Raises:
        TimeoutError: it took longer.
        BaseException: whatever it raised.
    """
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run, name="spark-call", daemon=True)
    thread.start()
    thread.join(limit_s)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError
    return found[0]


def connect(access: ServerAccess, source: str) -> Any:
    """Open a session.

    Args:
        access: the cluster.
        source: what messages call the source.

    Returns:
        A ``SparkSession`` of Spark Connect that nothing else in the process uses.

    Raises:
        SchemaMismatchError: the cluster is not reached, or refuses.
    """
    pyspark = _import(source)
    token = password_of(access, source)
    # only the part after the address may have keys, and they follow its slash
    address = access.url if ";" in access.url else f"{access.url.rstrip('/')}/"
    try:
        builder = pyspark.DefaultChannelBuilder(address)
        if token is not None:
            builder.set("token", token)
        session = pyspark.SparkSession(connection=builder)
    except Exception:  # noqa: BLE001  its text holds the address, perhaps with a secret
        raise SchemaMismatchError(source=source, reason="the cluster's address is malformed") from None
    with suppress(
        Exception
    ):  # measured: what it would ask of the cluster at this process's end can wait for ever
        atexit.unregister(session.client._on_exit)  # noqa: SLF001
    session.client.set_retry_policies([pyspark.DefaultPolicy(max_retries=RETRIES)])
    try:
        bounded(lambda: _prepare(session, source), CONNECT_LIMIT_S)
    except SchemaMismatchError:
        close(session)
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, its text stays here
        close(session)
        code = getattr(getattr(error, "getGrpcStatusCode", lambda: None)(), "name", "")
        reason = _SAID.get(code, "the cluster cannot be reached")
        raise SchemaMismatchError(source=source, reason=reason) from None
    return session


def close(session: Any) -> None:
    """End a session and its channel; bounded, and it raises nothing.

    Args:
        session: in any state.
    """
    with suppress(Exception):
        bounded(session.client.release_session, CLOSE_LIMIT_S)
    with suppress(Exception):
        bounded(session.client.close, CLOSE_LIMIT_S)


def arrow_batches(frame: Any) -> Iterator[Any]:
    """A frame's rows as they come from the cluster.

    Args:
        frame: of Spark Connect.

    Yields:
        Arrow tables of a bounded size; perhaps none.
    """
    client = frame._session.client  # noqa: SLF001  its public ways collect all rows, or go through pandas
    for part in client.to_table_as_iterator(frame._plan.to_proto(client), frame._plan.observations):  # noqa: SLF001
        if hasattr(part, "num_rows"):
            yield part


def keep(session: Any, statement: str) -> Any:
    """Compute a SELECT once, and let the cluster's executors hold its rows: what is asked later is asked of them.

    Args:
        session: an open one.
        statement: the SELECT.

    Returns:
        A frame over the rows; they are let go with it, or with the session.
    """
    active = type(session)._active_session  # noqa: SLF001  measured: the frame is bound to the thread's active session, not to its own
    before = getattr(active, "session", None)
    active.session = session
    try:
        return session.sql(statement).localCheckpoint()
    finally:
        active.session = before


def _prepare(session: Any, source: str) -> None:
    version = str(session.version)
    if not version.partition(".")[0].isdigit() or int(version.partition(".")[0]) < OLDEST:
        raise SchemaMismatchError(source=source, reason=f"Spark {OLDEST} or newer is needed")
    for key, value in SETTINGS.items():
        if session.conf.get(key) == value:
            continue
        with suppress(Exception):  # what it is now is read below
            session.conf.set(key, value)
        if session.conf.get(key) != value:
            reason = f"the cluster does not let a session set {key} = {value}"
            raise SchemaMismatchError(source=source, reason=reason)


class _Modules:
    """What is used of PySpark."""

    def __init__(self) -> None:
        from pyspark.logger import PySparkLogger
        from pyspark.sql.connect.client.core import DefaultChannelBuilder
        from pyspark.sql.connect.client.retries import DefaultPolicy
        from pyspark.sql.connect.session import SparkSession

        self.DefaultChannelBuilder, self.DefaultPolicy = DefaultChannelBuilder, DefaultPolicy
        self.SparkSession = SparkSession
        for name in _LOGGERS:
            PySparkLogger.getLogger(name).disabled = True


def _import(source: str) -> _Modules:
    try:
        with _IMPORTING, warnings.catch_warnings():
            # it warns of pandas 3, through which nothing goes here: results come as Arrow
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
            return _Modules()
    except ImportError:
        reason = "Spark needs an extra of the installation: pip install 'crossward[spark]'"
        raise SchemaMismatchError(source=source, reason=reason) from None
