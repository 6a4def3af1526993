"""A Spark cluster as a site may have it: a master, two workers, and a Spark Connect server that asks for a token."""

import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pytest

from analytics.sources import SourceSpec
from analytics.sources.servers import spark_session
from analytics.sources.servers.access import ServerAccess

TOKEN = "token-secret"
START_LIMIT_S = 180


def missing() -> str:
    """What of Java and PySpark this machine lacks."""
    if find_spec("pyspark") is None:
        return "no PySpark in this environment: make slow-spark"
    return "" if shutil.which("java") else "no Java: apt-get install openjdk-17-jre-headless"


@dataclass
class Cluster:
    folder: Path
    port: int
    process: subprocess.Popen
    _session: list = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"sc://localhost:{self.port}"

    def access(self, **changes: object) -> ServerAccess:
        path = self.folder / "token"
        path.write_text(TOKEN + "\n")
        path.chmod(0o600)
        return ServerAccess(**({"url": self.url, "password_file": path} | changes))

    def spec(self, relation: str, engine: str = "spark", **changes: object) -> SourceSpec:
        access = self.access(**changes.pop("access", {}))
        return SourceSpec(kind="spark", server=access, relation=relation, engine=engine, **changes)

    def session(self):
        """The administrator's own, kept."""
        if not self._session:
            self._session.append(spark_session.connect(self.access(), "administrator"))
        return self._session[0]

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.session().sql(statement).collect()

    def made(self, name: str, body: str, *inserts: str) -> str:
        self.run(
            f"DROP TABLE IF EXISTS research.{name}", f"CREATE TABLE research.{name} ({body}) USING parquet"
        )
        self.run(*(f"INSERT INTO research.{name} VALUES {values}" for values in inserts))
        return f"research.{name}"

    def active(self) -> int:
        """Statements that run in the cluster for other sessions."""
        log = (self.folder / "server.log").read_text(errors="replace")
        return log.count("Got job ") - log.count("finished: ") - log.count("failed: ")

    def kill(self) -> None:
        with_signal(self.process, signal.SIGKILL)

    def executors(self) -> list:
        import psutil

        below = psutil.Process(self.process.pid).children(recursive=True)
        return [each for each in below if "CoarseGrainedExecutorBackend" in _command(each)]


def _command(process) -> str:
    """The command of a process; empty where it has ended, or has not been waited for."""
    import psutil

    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def with_signal(process: subprocess.Popen, number: int) -> None:
    """To the processes of the server that this file has started, and to no other."""
    import psutil

    for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        each.send_signal(number)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running():
    import pyspark

    home = Path(pyspark.__file__).parent
    folder = Path(tempfile.mkdtemp(prefix="cw-spark"))
    port = free_port()
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.connect.authenticate.token": TOKEN,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": folder / "local",
        "spark.sql.shuffle.partitions": 2,
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.ui.enabled": "false",
    }
    command = [
        str(home / "bin" / "spark-submit"),
        "--master",
        "local-cluster[2,1,1024]",
        "--driver-memory",
        "1g",
    ]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    command += [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
    env = {
        "PATH": os.environ["PATH"],
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "LC_ALL": "C.UTF-8",
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, "spark-internal"], env=env, cwd=folder, stdout=log, stderr=log)
    cluster = Cluster(folder, port, process)
    try:
        wait_until_it_listens(cluster)
        cluster.run("CREATE SCHEMA IF NOT EXISTS research")
        yield cluster
    finally:
        if process.poll() is None:
            with_signal(process, signal.SIGKILL)
        process.wait(30)
        for session in cluster._session:
            spark_session.close(session)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_it_listens(cluster: Cluster) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until:
        assert cluster.process.poll() is None, (cluster.folder / "server.log").read_text()[-4000:]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", cluster.port)) == 0:
                return
        time.sleep(0.3)
    raise AssertionError("the cluster does not listen")


def for_tests():
    reason = missing()
    if reason:
        print(f"\n*** Spark sources NOT TESTED: {reason} ***")
        pytest.skip(reason)
    with running() as cluster:
        yield cluster


def literal(value: object) -> str:
    """A value as SQL of Spark's."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"CAST('{value!r}' AS DOUBLE)"
    if isinstance(value, dt.date):
        return f"DATE'{value.isoformat()}'"
    if isinstance(value, int | Decimal):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def values(rows) -> str:
    return ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
