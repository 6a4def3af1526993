"""A PostgreSQL server of the test run's own: Debian's package, a directory of its own, a Unix socket, no port."""

import contextlib
import os
import pwd
import shutil
import subprocess
from pathlib import Path


def binaries():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def as_server_user(command):
    """PostgreSQL refuses to run as root: use the package's own user there."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", *command]


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
    options = f"-c listen_addresses= -c unix_socket_directories={folder}"
    control = [str(where / "pg_ctl"), "-D", str(data), "-w"]
    # pg_ctl's child keeps inherited pipes open, so its output goes to files
    with (folder / "log").open("wb") as log:
        subprocess.run(
            as_server_user([*control, "-l", str(folder / "server.log"), "-o", options, "start"]),
            check=True,
            env=env,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        yield f"host={folder} user=ledger dbname=postgres"
    finally:
        subprocess.run(as_server_user([*control, "-m", "fast", "stop"]), **run)
