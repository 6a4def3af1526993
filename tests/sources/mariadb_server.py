"""A MariaDB server of the test run's own: a reader with a password, a port of this machine, nothing on disk afterwards."""

import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sources.servers import free_port

SECRET = "reader-secret"


@dataclass
class MariaServer:
    port: int
    socket: Path
    process: subprocess.Popen

    @property
    def url(self) -> str:
        return f"mysql+pymysql://reader@127.0.0.1:{self.port}/registry?charset=utf8mb4"

    def run(self, *statements: str) -> None:
        """As the owner."""
        import pymysql

        with pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", charset="utf8mb4", autocommit=True
        ) as session:
            for statement in statements:
                with session.cursor() as cursor:
                    cursor.execute(statement)


def available() -> str:
    missing = [
        name
        for name in ("mariadbd", "mariadb-install-db", "my_print_defaults")
        if shutil.which(name, path="/usr/sbin:/usr/bin") is None
    ]
    return (
        f"{', '.join(missing)} not installed (Debian: mariadb-server-core, mariadb-client-core)"
        if missing
        else ""
    )


@contextmanager
def running():
    folder = Path(tempfile.mkdtemp(prefix="cwm"))
    data, socket, port = folder / "data", folder / "s", free_port()
    env = {"PATH": "/usr/sbin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    own = ["--no-defaults", f"--datadir={data}", "--user=root"]
    subprocess.run(
        ["mariadb-install-db", *own, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
        env=env,
    )
    command = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "/usr/sbin/mariadbd",
        *own,
        f"--socket={socket}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
    ]
    command += [
        "--pid-file=" + str(folder / "pid"),
        "--innodb-flush-method=nosync",
        "--innodb-buffer-pool-size=16M",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    server = MariaServer(port, socket, process)
    try:
        _wait(server)
        server.run(
            "CREATE DATABASE registry CHARACTER SET utf8mb4",
            f"CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{SECRET}'",
            "GRANT ALL ON registry.* TO reader@'127.0.0.1'",  # more than a reader needs: the session has to refuse
        )
        yield server
    finally:
        process.kill()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: MariaServer) -> None:
    failed = None
    for _ in range(300):
        try:
            server.run("SELECT 1")
        except Exception as error:
            failed = error
            assert server.process.poll() is None, "MariaDB ended"
            time.sleep(0.1)
        else:
            return
    raise AssertionError("MariaDB does not answer") from failed


def for_tests():
    reason = available()
    if reason:
        print(f"\n*** MariaDB sources NOT TESTED: {reason} ***")
        pytest.skip(reason)
    with running() as server:
        yield server
