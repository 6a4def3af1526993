"""Examples for the help of every command.

Layer:       federation.cli.examples, below app.
Guarantees:  every example is a command line that can be read: a test parses each of them.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

COUNT: Final = '"SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex"'
EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "query": (
        f"crossward query -c trial {COUNT} --epsilon 0.5",
        "crossward query -c trial -f question.sql --exact --csv",
        f"crossward query -c trial {COUNT} --epsilon 0.5 --explain",
        f"crossward query -c trial {COUNT} --within 20 --confidence 0.95",
        f"crossward query -c trial {COUNT} --epsilon 0.5 --sampling",
        f'crossward query -c trial {COUNT} --epsilon 0.5 --require "completeness(age) >= 0.9" --require-epsilon 0.1',
    ),
    "quote": (
        f"crossward quote -c trial {COUNT} --epsilon 0.5",
        f"crossward quote -c trial {COUNT} --within 20",
        f"crossward quote -c trial {COUNT}",
    ),
    "cube release": (
        "crossward cube release -c trial sex region --measure 'AVG(age)' --epsilon 1",
        "crossward cube release -c trial sex region --epsilon 1 --explain",
    ),
    "cube ask": (
        f"crossward cube ask -c trial {COUNT}",
        f"crossward cube ask -c trial {COUNT} --nonnegative",
    ),
    "cube list": ("crossward cube list -c trial",),
    "count": (
        'crossward count "age >= 65 AND ill" -c trial --epsilon 0.2',
        'crossward count "age >= 65 AND ill" -c trial --within 20',
        'crossward count "age >= 65" --codes icd10=heart_failure.txt -c trial --epsilon 0.2',
        'crossward count --codes "icd10=I50*,I11.0" -c trial --exact',
        "crossward count -c trial --explain",
    ),
    "preflight": (
        "crossward preflight -c trial",
        f"crossward preflight -c trial {COUNT} --epsilon 0.5",
        "crossward preflight -c trial --statistic chi_square --argument a=smoker --argument b=ill --exact",
        "crossward preflight -c trial --task task.toml --json",
    ),
    "budget": ("crossward budget -c trial",),
    "stats": (
        "crossward stats",
        "crossward stats chi_square -c trial --table patients a=smoker b=ill --exact",
        'crossward stats glm -c trial --table patients "formula=ill ~ age + smoker" --exact',
    ),
    "mine": ("crossward mine -c trial smoker ill sex=M --min-support 0.1 --exact",),
    "link": ("crossward link -c trial anna bert --exact --explain",),
    "train": (
        "crossward train task.toml -c trial --explain",
        "crossward train task.toml -c trial --out model.json --checkpoint run.json",
        "crossward train task.toml -c trial --out model.json --resume run.json",
    ),
    "evaluate": (
        "crossward evaluate model.json -c trial --table patients --target ill --epsilon 0.5 --metric roc_auc",
    ),
    "harmonise check": (
        "crossward harmonise check trial/sites/anna",
        "crossward harmonise check trial/sites/anna --explain",
    ),
    "harmonise fit": (
        "crossward harmonise fit age=median,iqr -c trial --epsilon 0.5",
        "crossward harmonise fit age=z_score -c trial --epsilon 0.5 --mapping mapping.toml",
    ),
    "quality": (
        "crossward quality --site trial/sites/anna",
        "crossward quality --site trial/sites/anna --rules quality.toml --html quality.html",
        "crossward quality -c trial --epsilon 0.5",
        "crossward quality -c trial --epsilon 0.5 --columns chol,age",
    ),
    "schema": ("crossward schema -c trial",),
    "init": (
        "crossward init trial --site anna=a.csv --site bert=b.csv --site carl=c.csv",
        (
            "crossward init trial --site 'anna=postgresql://reader@db.example/registry#research.visits' "
            "--format anna.password_file=secret --site bert=b.csv --site carl=c.csv"
        ),
    ),
    "found": (
        (
            "crossward found ours --site anna --address mpc.anna.example:7843 --data a.csv "
            "--invite bert --invite carl --invite ada:analyst --invite dealer:dealer"
        ),
    ),
    "invite": ("crossward invite ours dora:analyst",),
    "join": ("crossward join invitation.json mine --address mpc.bert.example:7843 --data b.csv",),
    "collect": ("crossward collect ours", "crossward collect ours --listen 0.0.0.0:7844"),
    "admit": ('crossward admit ours bert.answer.json carl.answer.json --words bert="EIGHT WORDS"',),
    "sign": ("crossward sign mine draft.json --only-show", "crossward sign mine --withdraw"),
    "begin": ("crossward begin mine anna.signature.json carl.signature.json",),
    "enrol": (
        "crossward enrol mine eva:analyst --out eva.enrolment.json",
        "crossward enrol mine eva:analyst --certificate eva.certificate.json",
    ),
    "renew": (
        "crossward renew trial/sites/bert/site.toml --out bert.renewal.json",
        "crossward renew trial/sites/bert/site.toml --certificate bert.certificate.json",
        "crossward renew trial/analysts/ada.pem --out ada.renewal.json",
        "crossward renew trial/helpers/dealer/dealer.toml --out dealer.renewal.json",
    ),
    "certify": (
        "crossward certify trial bert.renewal.json --out bert.certificate.json",
        'crossward certify trial eva.enrolment.json --words "EIGHT WORDS" --out eva.certificate.json',
    ),
    "up": ("crossward up trial --detach",),
    "down": ("crossward down trial",),
    "doctor": (
        "crossward doctor -c trial",
        "crossward doctor -c trial --site trial/sites/anna/site.toml",
    ),
    "dashboard": (
        "crossward dashboard -c trial",
        "crossward dashboard -c trial --site trial/sites/anna --checkpoints checkpoints",
    ),
    "demo": ("crossward demo --out demo-out",),
    "site serve": ("crossward site serve trial/sites/anna/site.toml",),
    "dealer serve": ("crossward dealer serve trial/helpers/dealer/dealer.toml",),
    "aggregator serve": ("crossward aggregator serve trial/helpers/aggregator/aggregator.toml",),
    "keyholder serve": ("crossward keyholder serve trial/helpers/keyholder/keyholder.toml",),
    "audit verify": (
        "crossward audit verify anna.sqlite bert.sqlite carl.sqlite -c trial --receipt answer.json",
    ),
    "audit recompute": ("crossward audit recompute anna.sqlite",),
    "audit statement": (
        "crossward audit statement trial/sites/anna/state/ledger.sqlite -c trial --since 2026-11-01",
        "crossward audit statement anna.sqlite --texts texts.jsonl --analyst ada --csv",
    ),
    "audit texts": (
        "crossward audit texts -c trial --identity vera.pem --out texts.jsonl",
        "crossward audit texts trial/sites/anna/site.toml --out anna.jsonl",
    ),
    "audit differences": ("crossward audit differences trial/sites/anna/site.toml",),
    "audit refusals": ("crossward audit refusals trial/sites/anna/site.toml",),
    "audit report": ("crossward audit report anna.sqlite -c trial --out report.html",),
    "audit price": ("crossward audit price events.json",),
    "ledger show": ("crossward ledger show trial/sites/anna/site.toml",),
    "ledger export": ("crossward ledger export trial/sites/anna/site.toml --out anna.jsonl",),
    "ledger archive": (
        "crossward ledger archive trial/sites/anna/site.toml --into 2026.sqlite --older-than 365",
    ),
    "ledger catch-up": ("crossward ledger catch-up trial/sites/anna/site.toml bert.sqlite",),
    "ledger approve": ("crossward ledger approve trial/sites/anna/site.toml raise.amendment",),
    "ledger apply": ("crossward ledger apply raise.amendment -c trial",),
    "ledger revoke": ("crossward ledger revoke trial/sites/anna/site.toml raise.amendment",),
    "ledger propose raise-budget": (
        (
            "crossward ledger propose raise-budget trial/sites/anna/site.toml --out raise.amendment "
            "--population patients --epsilon 6"
        ),
    ),
    "ledger propose change-order": (
        (
            "crossward ledger propose change-order trial/sites/anna/site.toml --out order.amendment "
            "--population patients --sub-budget query --order 16"
        ),
    ),
    "ledger propose transfer-sequencer": (
        "crossward ledger propose transfer-sequencer trial/sites/anna/site.toml --out next.amendment --to bert",
    ),
    "ledger propose remove-site": (
        "crossward ledger propose remove-site trial/sites/anna/site.toml --out lost.amendment --lost carl",
    ),
    "ledger propose add-site": (
        (
            "crossward ledger propose add-site site/site.toml --out dora.json "
            "--admission site/dora.admission.json"
        ),
    ),
    "ledger propose replace-site": (
        (
            "crossward ledger propose replace-site site/site.toml --out bert.json "
            "--admission site/bert.admission.json"
        ),
    ),
    "ledger propose renew-site": (
        (
            "crossward ledger propose renew-site trial/sites/bert/site.toml --out renew.amendment "
            "--certificate bert.certificate.json"
        ),
    ),
    "ledger propose add-member": (
        (
            "crossward ledger propose add-member trial/sites/anna/site.toml --out eva.amendment "
            "--certificate eva.certificate.json --cap 0.25"
        ),
    ),
    "ledger propose table-version": (
        (
            "crossward ledger propose table-version trial/sites/anna/site.toml --out rows.amendment "
            "--table patients --version 2"
        ),
    ),
    "ledger propose change-agreement": (
        (
            "crossward ledger propose change-agreement trial/sites/anna/site.toml --out smoker.amendment "
            "--terms smoker.toml"
        ),
    ),
    "ledger propose renew-member": (
        (
            "crossward ledger propose renew-member trial/sites/anna/site.toml --out ada.amendment "
            "--certificate ada.certificate.json"
        ),
    ),
    "ledger propose remove-member": (
        "crossward ledger propose remove-member trial/sites/anna/site.toml --out ada.amendment --name ada",
    ),
    "ledger propose correct-clock": (
        "crossward ledger propose correct-clock trial/sites/anna/site.toml --out clock.amendment",
    ),
}


def commands(app: typer.Typer, prefix: str = "") -> Iterator[tuple[str, typer.models.CommandInfo]]:
    """Give every visible command with its words, such as ``audit verify``."""
    for command in app.registered_commands:
        callback = command.callback
        name = command.name or ("" if callback is None else callback.__name__.replace("_", "-"))
        if not command.hidden:
            yield f"{prefix}{name}", command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from commands(group.typer_instance, f"{prefix}{group.name} ")


def add_examples(app: typer.Typer) -> None:
    """Write each command's examples below its help."""
    for name, command in commands(app):
        lines = EXAMPLES.get(name, ())
        if lines:
            command.epilog = inspect.cleandoc("\n\n".join(["Examples:", *lines]))
