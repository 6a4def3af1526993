"""The page on counting who matches: each of its commands is run, with the value set that it shows."""

import re
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path

from federation.cli.questions import analyst, count
from federation.consortium import consortium_file
from tests.cli.conftest import crossward

sys.path.insert(0, str(Path(__file__).parents[1] / "federation"))
from hospitals import in_threads

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "feasibility.md").read_text("utf-8")


def test_every_command_of_the_page_runs(monkeypatch, tmp_path):
    (listed,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "chest_pain.txt").write_text(listed, "utf-8")
    (tmp_path / "consortium.toml").touch()
    commands = re.findall(r"^    (crossward .*)$", PAGE, re.MULTILINE)
    assert len(commands) == 6
    with in_threads(engine="numpy") as session:
        for module in (analyst, count):
            monkeypatch.setattr(module, "open_session", lambda *_: nullcontext(session))
        monkeypatch.setattr(consortium_file, "load_consortium", lambda _: session.consortium)
        for command in commands:
            words = [str(tmp_path) if word == "trial" else word for word in shlex.split(command)[1:]]
            ran = crossward(*words)
            assert ran.code == 0, (command, ran.err)
            assert ran.out
