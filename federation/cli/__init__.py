"""The command ``crossward``: one small file for each group of commands, one place for errors and exit codes.

Modules, lowest first: outcome (errors to exit codes and sentences) · options (shared ones) · output_file (a file written
at the end) · analyst (query, budget, quote) · mine, train, evaluate · operate (init, up, down, serve, doctor) · found
(a consortium over several machines) · amendments, ledger (a site's ledger, changes of the agreement) · audit · demo ·
app (all of them).
"""

from __future__ import annotations


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    import sys

    try:
        from federation.cli.app import run

        run()
    except (
        KeyboardInterrupt
    ):  # before a command began or after it ended; a command itself says what it has spent
        sys.stderr.write("crossward: stopped\n")
        sys.exit(130)
