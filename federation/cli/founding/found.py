"""Commands that found a consortium over several machines: found, invite, join, admit, sign, begin.

Layer:       federation.cli.founding.found.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federation.cli.options import read_view
from federation.cli.outcome import UsageError, printable
from federation.cli.reporting import is_document, note, reported, say
from federation.consortium.file_format.file_types import address_mistake

if TYPE_CHECKING:
    from federation.setup.several_machines.signing import Begun, Review

Folder = Annotated[Path, typer.Argument(help="The member's folder on this machine.")]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="A site's file (docs/your-own-data.md names the kinds); FILE#TABLE for one in a database, "
        "ADDRESS#SCHEMA.TABLE in a server.",
    ),
]
AddressOption = Annotated[
    str, typer.Option("--address", help="HOST:PORT where the other members reach this node.")
]
Engine = Annotated[str, typer.Option("--engine", help="What computes on shares here: crypten or numpy.")]
Days = Annotated[int, typer.Option("--days", help="How long an invitation is good for.", min=1, max=365)]
Formats = Annotated[
    list[str] | None,
    typer.Option("--format", help="How the site's file is written, once a key: KEY=VALUE, as for init."),
]
View = Annotated[
    str | None,
    typer.Option("--view", help="FILE with one SELECT over the table source, before the guess, as for init."),
]
Direct = Annotated[
    str | None,
    typer.Option("--direct", help="HOST:PORT where members reach crossward collect, for join --send."),
]
Send = Annotated[
    bool, typer.Option("--send", help="Bring it to the founder directly, and wait for the reply.")
]
Wait = Annotated[
    int, typer.Option("--wait", help="How many minutes to wait with --send.", min=0, max=7 * 24 * 60)
]
ENGINES = ("crypten", "numpy")


@reported("found")
def found(  # noqa: PLR0913, PLR0917  typer reads the options from the parameters
    folder: Annotated[Path, typer.Argument(help="A new folder for the founder.")],
    site: Annotated[str, typer.Option("--site", help="The founder's own site.")],
    address: AddressOption,
    data: Annotated[
        str,
        typer.Option(
            "--data", help="The site's file, or ADDRESS#SCHEMA.TABLE; the schema is guessed from it."
        ),
    ],
    invited: Annotated[
        list[str], typer.Option("--invite", help="NAME or NAME:ROLE, once for each other member.")
    ],
    name: Annotated[str, typer.Option("--name", help="Name of the consortium.")] = "consortium",
    table: Annotated[str, typer.Option("--table", help="Name of the table in SQL.")] = "patients",
    days: Days = 14,
    engine: Engine = "crypten",
    formats: Formats = None,
    view: View = None,
    direct: Direct = None,
) -> None:
    """Found a consortium over several machines: this site's keys, the authority, the invitations."""
    from federation.setup.several_machines import founding

    members: dict[str, str] = {}
    for text in invited:
        member, role = _member(text)
        if member in members:
            raise UsageError(reason=f"--invite {member} stands twice; two members cannot have one name")
        members[member] = role
    plan = founding.FoundingPlan(
        name=name,
        site=site,
        address=address,
        data=data,
        invited=members,
        table=table,
        days=days,
        engine=_engine(engine),
        settings=_settings(formats),
        view=_view(view),
        direct=direct or "",
    )
    invitations = founding.found(folder, plan)
    say(f"founded {name} in {folder}; the authority's key is in {folder / 'authority'}")
    for path in invitations:
        say(f"send {path} to {path.stem}")
        note(files=path)
    say(f"Next: correct what is guessed in {folder / 'terms.toml'} and remove the marks;")
    if direct:
        say(f"take answers that come directly: crossward collect {folder}")
    say(f"then, with the answers and the words of each: crossward admit {folder} ANSWER.json ...")


@reported("invite")
def invite(
    folder: Folder,
    member: Annotated[str, typer.Argument(help="NAME or NAME:ROLE.")],
    days: Days = 14,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also if it was admitted: its certificate is dropped.")
    ] = False,
    direct: Direct = None,
) -> None:
    """Write one more invitation, or a new one in the place of one that expired; at the founder."""
    from federation.setup.several_machines import founding

    name, role = _member(member)
    path = founding.invite(folder, name, role, days=days, replace=replace, direct=direct)
    note(files=path, member=name)
    say(f"send {path} to {name}; an earlier invitation of {name} is void")


@reported("join")
def join(  # noqa: PLR0913, PLR0917  as above
    invitation: Annotated[Path, typer.Argument(help="The file that the founder sent.")],
    folder: Annotated[Path, typer.Argument(help="A new folder for this member.")],
    address: AddressOption = "",
    data: Data = None,
    engine: Engine = "crypten",
    formats: Formats = None,
    view: View = None,
    send: Send = False,
    wait: Wait = 60,
) -> None:
    """Answer an invitation: make this member's keys here, and an answer for the founder."""
    from federation.setup.several_machines import joining

    joined = joining.join(
        read_file(invitation),
        folder,
        address=address,
        data=data,
        engine=_engine(engine),
        settings=_settings(formats),
        view=_view(view),
    )
    note(files=joined.answer, words=list(joined.words))
    before = "had joined before; " if joined.was_there else ""
    say(f"{before}made {joined.answer}" if send else f"{before}send {joined.answer} to the founder")
    say("Then call the founder's administrator, on a number that was not in the same e-mail, and read out:")
    say(f"words: {' '.join(joined.words)}")
    if send:
        _bring_answer(folder, wait)


@reported("admit")
def admit(
    folder: Folder,
    answers: Annotated[list[Path] | None, typer.Argument(help="The answers that the members sent.")] = None,
    words: Annotated[
        list[str] | None,
        typer.Option("--words", help='NAME="EIGHT WORDS" as that member\'s administrator reads them out.'),
    ] = None,
) -> None:
    """Admit members by their answers and words; write the draft once all have answered; at the founder."""
    from federation.setup.several_machines import founding
    from federation.setup.several_machines.collecting import arrived_answers
    from federation.setup.several_machines.running import is_bound

    said: dict[str, str] = {}
    for text in words or []:
        name, sign, value = text.partition("=")
        if not sign or name in said:
            raise UsageError(reason='--words takes NAME="EIGHT WORDS", once for each member')
        said[name] = value
    given = [read_file(path) for path in answers or []]
    if is_bound(folder):
        _admit_sites(folder, given, said)
        return
    if not given:  # those that came directly: each whose words are given, or all where a person can be asked
        asks = not said and sys.stdin.isatty()
        given = [data for name, data in arrived_answers(folder).items() if asks or name in said]
    for name in dict.fromkeys(founding.new_members(folder, given)):
        said[name] = said.get(name) or asked_words(name, f'--words {name}="..."')
    state = founding.admit(folder, given, words=said)
    note(admitted=list(state.members), waiting=list(state.waiting))
    say(f"admitted: {', '.join(state.members)}")
    for remark in state.remarks:
        say(remark)
    if state.draft is None:
        say(f"waiting for the answers of {', '.join(state.waiting)}")
        return
    note(files=state.draft)
    say(f"send {state.draft} to all sites; each signs it: crossward sign FOLDER {state.draft.name}")


@reported("sign")
def sign(
    folder: Folder,
    draft: Annotated[Path | None, typer.Argument(help="The draft that the founder sent.")] = None,
    words: Annotated[
        str, typer.Option("--words", help="The eight words, as the founder's administrator reads them out.")
    ] = "",
    accepts_differences: Annotated[
        bool, typer.Option("--accept-differences", help="Sign although it differs from this site's data.")
    ] = False,
    only_show: Annotated[bool, typer.Option("--only-show", help="Show the draft and sign nothing.")] = False,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Go back to the agreement in force after signing a correction.")
    ] = False,
    send: Send = False,
    wait: Wait = 60,
) -> None:
    """Show a draft, what it changes and how it differs from this site's data, then sign it; at each site."""
    from federation.consortium.admission.admissions import is_admission
    from federation.setup.several_machines import correcting, signing

    if (draft is None) != withdraw:
        raise UsageError(reason="give the draft to sign, or --withdraw and no draft")
    if draft is None:
        was_signed = correcting.withdraw(folder)
        say("withdrawn: the agreement in force stays" if was_signed else "no correction is signed here")
        return
    data = read_file(draft)
    if is_admission(data):
        _enter(folder, data, words, accepts_differences=accepts_differences, only_show=only_show)
        return
    reviewed = signing.review(folder, data)
    _show(reviewed)
    if only_show:
        return
    if not words and signing.needs_words(folder):
        words = asked_words("this site", "--words")
    path = signing.sign(folder, data, reviewed, words=words, accepts_differences=accepts_differences)
    note(files=path, draft=reviewed.digest)
    if not send:
        say(f"signed; send {path} to the founder")
        return
    from federation.setup.several_machines.delivering import bring

    say("signed")
    agreement = bring(folder, "signature", wants="agreement", wait_s=60.0 * wait, tell=_tell)
    if agreement is None:
        _tell("not all sites have signed yet; run this again")
        return
    _show_begun(signing.begin(folder, [agreement.read_bytes()]))


@reported("begin")
def begin(
    folder: Folder,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Signatures of the other sites, or the agreement.")
    ] = None,
    words: Annotated[
        str, typer.Option("--words", help="For members that sign nothing: the eight words of the founder.")
    ] = "",
) -> None:
    """Begin once all sites have signed: write the agreement and this member's certificate; print what it changes."""
    from federation.setup.several_machines import signing

    given = [read_file(path) for path in files or []]
    if not words and signing.needs_words(folder, to_begin=given):
        words = asked_words("this member", "--words")
    _show_begun(signing.begin(folder, given, words=words))


@reported("collect")
def collect(
    folder: Folder,
    listen: Annotated[
        str | None,
        typer.Option("--listen", help="HOST:PORT to bind; default: the one that the invitations name."),
    ] = None,
) -> None:
    """Take answers and signatures directly from members, until all have the agreement; at the founder."""
    from federation.network.direct import listen_for_deliveries
    from federation.network.tls import bind_address
    from federation.setup.several_machines.collecting import Collector

    collector = Collector(folder, tell=_tell)
    place = collector.address if listen is None else listen
    mistake = address_mistake(place)
    address = None if mistake else bind_address(place)
    if address is None:
        raise UsageError(reason=f"--listen {place!r} {mistake}")
    listener = listen_for_deliveries(address, collector.identity_file, collector.take, name="collect")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _tell(f"takes deliveries at {place}; Ctrl-C stops, and what arrived is kept")
    try:
        while not stop.wait(0.2) and not collector.done.is_set():
            pass
    finally:
        listener.stop()
    _tell("all members have the agreement" if collector.done.is_set() else "stopped")


def _admit_sites(folder: Path, answers: list[bytes], said: dict[str, str]) -> None:
    """Admit sites after the first charge."""
    from federation.setup.several_machines.admitting import admit_site
    from federation.setup.several_machines.founding import new_members

    if not answers:
        raise UsageError(reason="the consortium was charged: give the answer of the site that joins")
    for data in answers:
        for name in new_members(folder, [data]):
            said[name] = said.get(name) or asked_words(name, f'--words {name}="..."')
        admitted = admit_site(folder, data, words=said)
        name, path = admitted.name, admitted.file
        note(files=path, admitted=[name])
        say(f"admitted: {name}; it is no member before all sites have signed its entry")
        say(f"send {path} to {name}")
        kind = "replace-site" if admitted.replaces else "add-site"
        say(
            f"Next: crossward ledger propose {kind} {folder / 'site.toml'} --admission {path} --out {name}.json"
        )


def _enter(folder: Path, data: bytes, words: str, *, accepts_differences: bool, only_show: bool) -> None:
    """Show an admission, and take it; at the site that joins after the first charge."""
    from federation.setup.several_machines import entering, signing

    reviewed = entering.review_admission(folder, data)
    _show(reviewed)
    if only_show:
        return
    if not words and signing.needs_words(folder):
        words = asked_words("this site", "--words")
    path = entering.enter(folder, data, reviewed, words=words, accepts_differences=accepts_differences)
    say(f"Next: crossward site serve {path}; it reads the ledger once the sequencer has approved this site")
    say(f"then crossward ledger approve {path} with the amendment that adds this site")


def _bring_answer(folder: Path, wait: int) -> None:
    """Bring an answer, and say what comes next."""
    from federation.setup.several_machines.delivering import bring
    from federation.setup.several_machines.joining import MemberFolder

    is_site = MemberFolder(root=folder).load_invitation().role == "site"
    wants = "draft" if is_site else "agreement"
    sys.stdout.flush()
    path = bring(folder, "answer", wants=wants, wait_s=60.0 * wait, tell=_tell)
    if path is None:
        _tell(f"the {wants} is not there yet; run this again")
    elif is_site:
        _tell(f"Next: crossward sign {folder} {path} --send")
    else:
        _tell(f"Next: crossward begin {folder} {path}")


def _tell(text: str) -> None:
    """Print a sentence at once: a person waits for it."""
    say(printable(text))
    sys.stdout.flush()


def _show_begun(begun: Begun) -> None:
    note(files=begun.agreement, draft=begun.digest)
    done = "had begun before" if begun.was_there else "all sites have signed"
    say(f"{done}: draft {begun.digest[:16]}, the number that the sites saw when they signed")
    for line in begun.changes:
        say(printable(f"changed: {line}"))
    say(f"send {begun.agreement} to all members that have not begun{' with it' if begun.changes else ''}")
    if begun.start is not None:
        say(f"Next: crossward {begun.role} serve {begun.start}")


def _show(reviewed: Review) -> None:
    """Print a draft in words; its text comes from another member."""
    lines = [*reviewed.lines, *reviewed.remarks, *(f"guessed: {line}" for line in reviewed.guesses)]
    lines += [f"changed: {line}" for line in reviewed.changes]
    lines.append(f"draft {reviewed.digest[:16]}: all sites see this number")
    lines.append(
        "differences from this site's data, which only this screen shows:"
        if reviewed.differences
        else "no difference from this site's data"
    )
    for line in (*lines, *(f"  {line}" for line in reviewed.differences)):
        say(printable(line))


def _member(text: str) -> tuple[str, str]:
    name, _, role = text.partition(":")
    if not name:
        raise UsageError(reason=f"a member is NAME or NAME:ROLE, not {text!r}")
    return name, role or "site"


def _engine(text: str) -> str:
    if text not in ENGINES:
        raise UsageError(reason=f"--engine is {' or '.join(ENGINES)}, not {text!r}")
    return text


def _settings(texts: list[str] | None) -> dict[str, Any]:
    """Read the options --format; a founding knows one site's file only."""
    from federation.setup.site_rows import read_settings

    return read_settings(texts or [], ["site"])["site"]


def _view(file: str | None) -> str:
    from analytics.sources.spec import DEFAULT_VIEW

    return DEFAULT_VIEW if file is None else read_view(file)


def asked_words(name: str, option: str) -> str:
    """Ask a person for the words; a program must give the option.

    Raises:
        UsageError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(reason=f"the eight words for {name} are missing: give {option}")
    return str(typer.prompt(f"the eight words for {name}", err=is_document()))


def read_file(path: Path) -> bytes:
    """Read a file that another member sent, up to what any of them may hold.

    Raises:
        UsageError: it cannot be read.
    """
    from federation.consortium.admission.approvals import MAX_BYTES

    try:
        with path.open("rb") as stream:
            return stream.read(2 * MAX_BYTES)
    except OSError as error:
        raise UsageError(reason=f"cannot read {path}: {error.strerror}") from error
