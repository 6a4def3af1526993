"""A PostgreSQL server of the test run's own: Debian's package, a directory of its own, a Unix socket, no port."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest


def binaries():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def as_server_user(command, *, dies_with_us=False):
    """PostgreSQL refuses to run as root: use the package's own user there."""
    options = ["--pdeathsig", "INT"] if dies_with_us else []
    if os.geteuid() == 0:
        options += ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    return ["setpriv", *options, *command] if options else command


def available():
    if binaries() is None:
        return "no PostgreSQL server is installed (Debian: apt-get install postgresql)"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "running as root and there is no user 'postgres' to run the server as"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed (extra 'postgres')"
    return ""


@contextlib.contextmanager
def server(folder):
    """Run a server in a folder; give the connection string."""
    where = binaries()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    run = {"check": True, "capture_output": True, "env": env, "cwd": folder}
    subprocess.run(
        as_server_user([str(where / "initdb"), "-D", str(data), "-U", "ledger", "-A", "trust", "--no-sync"]),
        **run,
    )
    # the tests kill processes and never the machine: what the kernel was given is as good as on the disk
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    command = as_server_user([str(where / "postgres"), "-D", str(data), *options], dies_with_us=True)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)
    try:
        conninfo = f"host={folder} user=ledger dbname=postgres"
        wait_until_it_answers(process, conninfo)
        yield conninfo
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown
        process.wait(30)


def wait_until_it_answers(process, conninfo):
    import psycopg

    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError("the PostgreSQL server ended at once; see its server.log")
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(conninfo).close()
            return
        time.sleep(0.1)
    raise RuntimeError("the PostgreSQL server does not answer")


def for_tests(what):
    """Connection string of a real server; skipped with a loud line where there is none."""
    reason = available()
    if reason:
        print(f"\n*** PostgreSQL {what} NOT TESTED: {reason} ***")
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="cw"))  # short: the path of a Unix socket is at most 107 bytes
    folder.chmod(0o711)
    try:
        with server(folder) as conninfo:
            yield conninfo
    finally:
        shutil.rmtree(folder, ignore_errors=True)
