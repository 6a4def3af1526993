"""The earlier words of the amendment commands: hidden, and the same commands for one release."""

from federation.cli import ledger
from federation.cli.amending import amendments
from tests.cli.conftest import crossward

RENAMED = {"agree": "approve", "enter": "apply"}
RENAMED_PROPOSALS = {
    "hand-over": "transfer-sequencer",
    "leave-out": "remove-site",
    "move-order": "change-order",
}


def named(app):
    return {command.name or command.callback.__name__: command for command in app.registered_commands}


def test_cli_earlier_command_words_are_hidden_aliases():
    for app, renamed in ((ledger.app, RENAMED), (amendments.propose, RENAMED_PROPOSALS)):
        commands = named(app)
        for earlier, now in renamed.items():
            assert commands[earlier].callback is commands[now].callback
            assert commands[earlier].hidden
            assert not commands[now].hidden


def test_cli_an_earlier_command_word_still_runs(tmp_path):
    for earlier, now in RENAMED.items():
        words = [tmp_path / "none.toml", tmp_path / "none.json"][: 2 if earlier == "agree" else 1]
        options = [] if earlier == "agree" else ["-c", tmp_path / "none.toml"]
        before, after = (crossward("ledger", word, *words, *options) for word in (earlier, now))
        assert (before.code, before.err) == (after.code, after.err)
        assert "none" in before.err
    shown = crossward("ledger", "--help").out
    assert "approve" in shown
    assert "agree " not in shown
