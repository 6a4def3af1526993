"""Type what a tutorial says, in an empty folder, and compare what comes back with what the page shows.

A page has two kinds of blocks. A paragraph that ends with a file's name and a colon stands before a file to write. A block
``console`` holds commands behind ``$`` and the output of each. In the output ``...`` stands for anything, alone on a line also
for several lines. ``console noisy`` marks answers with noise: any number stands for any other there.

``python -m tools.tutorial PAGE`` runs a page; ``--write`` puts the present output into it, where the page shows any.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(\w+)( noisy)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`([\w./-]+)`[:：]\s*\Z")
NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?")
LIMIT_S = 240


@dataclass
class Command:
    """One line to type, and the output that the page shows for it."""

    line: str
    shown: list[str] = field(default_factory=list)
    noisy: bool = False


@dataclass(frozen=True)
class File:
    """A file to write."""

    name: str
    text: str


@dataclass
class Done:
    """What typing a page took: commands, files, seconds; and where output differed from the page."""

    commands: int = 0
    files: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)


def commands_of(body: str, *, noisy: bool) -> list[Command]:
    """Return the commands of one console block."""
    found: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], noisy=noisy))
        elif found:
            found[-1].shown.append(line)
    return found


def steps_of(text: str) -> list[Command | File]:
    """Return what a page asks for, in its order."""
    steps: list[Command | File] = []
    for match in BLOCK.finditer(text):
        language, noisy, body = match.groups()
        if language == "console":
            steps.extend(commands_of(body, noisy=bool(noisy)))
        elif named := NAMED.search(text[: match.start()]):
            steps.append(File(named[1], body))
    return steps


def plain(line: str, *, noisy: bool) -> str:
    """Return a line without what a terminal's width or noise decides."""
    if noisy:
        line = NUMBER.sub("#", line)
    line = re.sub(r"[─━═]+", "─", line)
    return re.sub(r"\s+", " ", line).strip()


def agrees(shown: list[str], printed: list[str], *, noisy: bool = False) -> bool:
    """Whether the output is what the page shows."""
    parts = []
    for line in shown:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(re.escape(plain(line, noisy=noisy)).replace(r"\.\.\.", "[^\n]*") + "\n")
    text = "".join(plain(line, noisy=noisy) + "\n" for line in printed)
    return re.fullmatch("".join(parts), text) is not None


class Stranger:
    """A person at a shell in an empty folder, with a home of their own and the project's commands on the path."""

    def __init__(self, folder: Path, programs: Path) -> None:
        """Begin in ``folder``; ``programs`` is the environment's ``bin``."""
        self.folder = folder / "work"
        self.folder.mkdir()
        (folder / "home").mkdir()
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        self.settings = kept | {
            "HOME": str(folder / "home"),
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "COLUMNS": "100",
            "OMP_NUM_THREADS": "1",
        }

    def type(self, command: Command) -> tuple[list[str], int]:
        """Type one line; return what was printed, and the exit code."""
        words = command.line.split()
        if words[0] == "cd":
            self.folder /= words[1]
            return [], 0
        if words[0] == "export":
            name, value = words[1].split("=", 1)
            self.settings[name] = value
            return [], 0
        with tempfile.TemporaryFile("w+") as out:  # a file, since nodes that stay would keep a pipe open
            done = subprocess.run(
                ["bash", "-c", command.line],
                cwd=self.folder,
                env=self.settings,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=LIMIT_S,
                check=False,
            )
            out.seek(0)
            return [line.rstrip() for line in out.read().splitlines()], done.returncode


def run_page(page: Path, programs: Path, *, outputs: list[list[str]] | None = None) -> Done:
    """Type a whole page in an empty folder; stop the nodes that it started, whatever happens."""
    done = Done()
    with tempfile.TemporaryDirectory(prefix="crossward-tutorial-") as name:
        stranger = Stranger(Path(name), programs)
        try:
            for step in steps_of(page.read_text("utf-8")):
                if isinstance(step, File):
                    path = stranger.folder / step.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(step.text, "utf-8")
                    done.files += 1
                    continue
                begun = time.monotonic()
                printed, code = stranger.type(step)
                done.seconds += time.monotonic() - begun
                done.commands += 1
                if outputs is not None:
                    outputs.append(printed)
                if code != (wanted := 0 if "# exit code" not in step.line else int(step.line.split()[-1])):
                    done.differences.append(
                        f"$ {step.line}\nexit code {code}, not {wanted}\n" + "\n".join(printed)
                    )
                elif not agrees(step.shown, printed, noisy=step.noisy):
                    done.differences.append(
                        f"$ {step.line}\n" + "\n".join(["--- page", *step.shown, "--- printed", *printed])
                    )
        finally:
            for agreement in Path(name).rglob("consortium.toml"):
                if (agreement.parent / "run").is_dir():
                    stranger.type(Command(f"crossward down {agreement.parent}"))
    return done


def write_outputs(page: Path, outputs: list[list[str]]) -> None:
    """Put the output of each command into a page, but where it shows nothing or leaves something out."""
    left = iter(outputs)

    def filled(match: re.Match[str]) -> str:
        language, noisy, body = match.groups()
        if language != "console":
            return match[0]
        lines = []
        for command in commands_of(body, noisy=bool(noisy)):
            printed = next(left)
            partly = any("..." in line for line in command.shown)
            lines += [f"$ {command.line}", *(command.shown if partly or not command.shown else printed)]
        return f"```{language}{noisy or ''}\n" + "\n".join(lines) + "\n```"

    page.write_text(BLOCK.sub(filled, page.read_text("utf-8")), "utf-8")


def main() -> int:
    """Run the pages; 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true", help="put the present output into the pages")
    arguments = parser.parse_args()
    wrong = 0
    for page in arguments.pages:
        outputs: list[list[str]] = []
        done = run_page(page, Path(sys.prefix) / "bin", outputs=outputs)
        if arguments.write:
            write_outputs(page, outputs)
        print(f"{page}: {done.commands} commands, {done.files} files, {done.seconds:.0f} s")
        for difference in done.differences:
            print(difference, file=sys.stderr)
        wrong += len(done.differences)
    return 1 if wrong and not arguments.write else 0


if __name__ == "__main__":
    sys.exit(main())
