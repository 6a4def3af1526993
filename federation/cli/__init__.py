"""The command ``crossward``: one small file for each group of commands, one place for errors and exit codes.

Rooms, bottom first: outcome (errors to exit codes and sentences) · options (shared ones) · analyst (query,
budget) · operate (init, up, down, serve, doctor) · motions, ledger
(a site's ledger, changes by all) · audit · demo · app (all of them).
"""

from __future__ import annotations


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    from federation.cli.app import run

    run()
