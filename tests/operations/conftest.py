import shutil
import tempfile
from pathlib import Path

import pytest

from tests.ledger import postgres_server


@pytest.fixture(scope="session")
def postgres():
    """Connection string of a real server; skipped with a loud line where there is none."""
    reason = postgres_server.available()
    if reason:
        print(f"\n*** PostgreSQL LEDGER OF A NODE NOT TESTED: {reason} ***")
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="cw"))  # short: the path of a Unix socket is at most 107 bytes
    folder.chmod(0o711)
    try:
        with postgres_server.server(folder) as conninfo:
            yield conninfo
    finally:
        shutil.rmtree(folder, ignore_errors=True)
