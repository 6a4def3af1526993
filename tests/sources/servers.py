"""A PostgreSQL server as a hospital has it: logins with passwords, a reader who may read, a socket and a port."""

import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from analytics.sources import SourceSpec
from analytics.sources.servers.access import ServerAccess
from tests.ledger.postgres_server import as_server_user, available, binaries, wait_until_it_answers

OWNER, READER = "owner-secret", "reader-secret"


@dataclass
class Server:
    folder: Path
    port: int
    process: subprocess.Popen

    def url(self, user: str = "reader", **options: str) -> str:
        more = "&".join(f"{key}={value}" for key, value in options.items())
        return f"postgresql://{user}@127.0.0.1:{self.port}/postgres" + (f"?{more}" if more else "")

    @contextmanager
    def session(self):
        """As the owner of the tables."""
        import psycopg

        conninfo = f"host={self.folder} port={self.port} user=owner password={OWNER} dbname=postgres"
        with psycopg.connect(conninfo, autocommit=True) as connection:
            yield connection

    def run(self, *statements: str) -> None:
        with self.session() as connection:
            for statement in statements:
                connection.execute(statement)

    def access(self, **changes: object) -> ServerAccess:
        path = self.folder.parent / f"{self.folder.name}.password"
        path.write_text(READER + "\n")
        path.chmod(0o600)
        return ServerAccess(**({"url": self.url(), "password_file": path} | changes))

    def spec(self, relation: str, engine: str = "postgresql", **changes: object) -> SourceSpec:
        access = self.access(**changes.pop("access", {}))
        return SourceSpec(kind="postgresql", server=access, relation=relation, engine=engine, **changes)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(*options: str):
    folder = Path(tempfile.mkdtemp(prefix="cw"))  # short: the path of a Unix socket is at most 107 bytes
    folder.chmod(0o711)
    where, env = binaries(), {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    secret = folder / "secret"
    secret.write_text(OWNER)
    for path in (folder, secret):
        shutil.chown(path, "postgres", "postgres")
    make = [str(where / "initdb"), "-D", str(folder / "data"), "-U", "owner", "-A", "scram-sha-256"]
    make += [f"--pwfile={secret}", "--no-sync", "-E", "UTF8"]
    subprocess.run(as_server_user(make), check=True, capture_output=True, env=env, cwd=folder)
    port = free_port()
    settings = [
        "listen_addresses=127.0.0.1",
        f"port={port}",
        f"unix_socket_directories={folder}",
        "fsync=off",
        *options,
    ]
    command = [
        str(where / "postgres"),
        "-D",
        str(folder / "data"),
        *(part for each in settings for part in ("-c", each)),
    ]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            as_server_user(command, dies_with_us=True), env=env, cwd=folder, stdout=log, stderr=log
        )
    server = Server(folder, port, process)
    try:
        wait_until_it_answers(
            process, f"host={folder} port={port} user=owner password={OWNER} dbname=postgres"
        )
        server.run(
            f"CREATE ROLE reader LOGIN PASSWORD '{READER}'",
            "CREATE SCHEMA research",
            "GRANT USAGE ON SCHEMA research TO reader",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA research GRANT SELECT ON TABLES TO reader",
        )
        yield server
    finally:
        process.send_signal(subprocess.signal.SIGQUIT)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
        (folder.parent / f"{folder.name}.password").unlink(missing_ok=True)


def for_tests():
    reason = available()
    if reason:
        print(f"\n*** PostgreSQL sources NOT TESTED: {reason} ***")
        pytest.skip(reason)
    with running() as server:
        yield server
