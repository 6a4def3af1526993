"""Members of a founding, each with a folder of its own, in one process."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from federation.consortium.admission.invitations import Answer, Invitation
from federation.setup.several_machines import founding, joining, signing
from tests.setup.setup_world import without_marks

NOW = 1_800_000_000  # the invitations' date; certificates are dated by the real clock
CANARY = 87  # an age that one person has, at every site
DEFAULT = {"bert": "site", "ada": "analyst"}


def rows(path, *, first=40, levels=("F", "M"), factor=1):
    lines = [f"{first + i % 30},{levels[i % len(levels)]},{factor * (180 + i % 60)}" for i in range(60)]
    path.write_text("\n".join(["age,sex,chol", *lines, f"{CANARY},F,{factor * 200}"]) + "\n")
    return path


@dataclass
class World:
    root: Path
    roles: dict = field(default_factory=dict)

    def folder(self, name):
        return self.root / name

    def data(self, name):
        path = self.root / f"{name}.csv"
        return path if path.exists() else rows(path)

    def invitation(self, name):
        return (self.folder("anna") / "invitations" / f"{name}.json").read_bytes()

    def answer(self, name):
        return joining.MemberFolder(root=self.folder(name)).answer(name).read_bytes()

    def signature(self, name):
        return joining.MemberFolder(root=self.folder(name)).signature(name).read_bytes()

    def agreement(self):
        return joining.MemberFolder(root=self.folder("anna")).agreement.read_bytes()

    def draft(self):
        return (self.folder("anna") / "draft.json").read_bytes()

    def words(self, name):
        invitation = Invitation.from_bytes(self.invitation(name))
        return " ".join(invitation.words(Answer.from_bytes(self.answer(name)).public_key))

    def found(self, invited=DEFAULT, *, now=NOW, folder="anna", **changes):
        self.roles = {"anna": "site"} | dict(invited)
        plan = {
            "name": "heart",
            "site": "anna",
            "address": "127.0.0.1:17101",
            "data": self.data("anna"),
            "invited": invited,
            "engine": "numpy",
        } | changes
        return founding.found(self.folder(folder), founding.FoundingPlan(**plan), now=now)

    def join(self, name, *, folder=None, now=NOW, invitation=None, **changes):
        role = self.roles[name]
        place = 17102 + list(self.roles).index(name)
        given = {
            "address": "" if role in {"analyst", "auditor"} else f"127.0.0.1:{place}",
            "data": self.data(name) if role == "site" else None,
            "engine": "numpy",
        } | changes
        return joining.join(
            invitation or self.invitation(name), self.folder(folder or name), now=now, **given
        )

    def admit(self, *names, now=NOW, words=None):
        said = {name: self.words(name) for name in names} if words is None else words
        return founding.admit(self.folder("anna"), [self.answer(name) for name in names], words=said, now=now)

    def look(self):
        """What the founder's administrator does: correct what was guessed."""
        terms = self.folder("anna") / "terms.toml"
        terms.write_text(without_marks(terms.read_text()))

    def sign(self, name, *, draft=None, words=None, now=None, **options):
        draft = draft or self.draft()
        folder = self.folder(name)
        reviewed = signing.review(folder, draft, now=now)
        said = ("" if name == "anna" else self.words(name)) if words is None else words
        return signing.sign(folder, draft, reviewed, words=said, **options)

    def begin(self, name, *files, words=None, **options):
        return signing.begin(
            self.folder(name),
            files,
            words=self.words(name) if words is None and name != "anna" else words or "",
            **options,
        )

    def to_draft(self, invited=DEFAULT):
        self.found(invited)
        for name in invited:
            self.join(name)
        self.look()
        self.admit(*invited)

    def to_agreement(self, invited=DEFAULT):
        self.to_draft(invited)
        sites = [name for name, role in self.roles.items() if role == "site"]
        for name in sites:
            self.sign(name)
        self.begin("anna", *(self.signature(name) for name in sites))

    def to_end(self, invited=DEFAULT):
        self.to_agreement(invited)
        for name in invited:
            self.begin(name, self.agreement())

    def exchanged(self):
        """Every file that one member sends to another."""
        found = [*(self.folder("anna") / "invitations").glob("*.json"), self.folder("anna") / "draft.json"]
        for name in self.roles:
            found += (self.folder(name) / "exchange").glob("*.json")
        return [path for path in found if path.exists()]


def copied(world, root):
    """The same world elsewhere, to change."""
    shutil.copytree(world.root, root, dirs_exist_ok=True)
    for path in root.rglob("site.toml"):
        path.write_text(path.read_text().replace(str(world.root), str(root)))
    return World(root=root, roles=dict(world.roles))
