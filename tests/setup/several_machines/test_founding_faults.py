"""A machine dies before any file gets its name: the step runs again, and nothing is half there."""

import os

import pytest

from analytics.sources import SourceSpec
from federation.consortium.consortium_file import load_consortium
from federation.identity.certificates import Identity
from federation.setup.infer_schema import guess_table
from federation.setup.several_machines import founding, joining
from federation.setup.site_rows import SiteRows
from tests.setup.founding_world import World, copied, rows

NAMING = ("replace", "rename", "link", "unlink")
MOST_STEPS = 40


class KilledError(BaseException):
    """Not an ``Exception``: no code below tidies up, as after a power cut."""


class Power:
    """Ends before the n-th file gets or loses its name; what was between two names is on the disk or not, as it happens."""

    def __init__(self, monkeypatch, *, at):
        self.count, self.at = 0, at
        for name in NAMING:
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, real):
        def call(path, *args, **kwargs):
            self.count += os.path.lexists(path)
            if self.count == self.at:
                raise KilledError
            return real(path, *args, **kwargs)

        return call


@pytest.fixture(scope="module", autouse=True)
def _one_guess(tmp_path_factory):
    """All sites' files are alike here, and guessing a schema takes longer than all else."""
    path = rows(tmp_path_factory.mktemp("data") / "anna.csv")
    guess = guess_table(SiteRows(site="anna", rows=SourceSpec(kind="csv", path=path)), "patients")
    with pytest.MonkeyPatch.context() as patch:
        for module in (founding, joining):
            patch.setattr(module, "guess_table", lambda *_: guess)
        yield


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """The world before each step."""
    world = World(root=tmp_path_factory.mktemp("walk"))
    kept = {}

    def keep(name):
        kept[name] = copied(world, tmp_path_factory.mktemp(name))

    world.data("anna"), world.data("bert")
    keep("found")
    world.found()
    keep("join")
    world.join("ada")
    world.join("bert")
    world.look()
    keep("admit")
    world.admit("bert", "ada")
    keep("sign")
    world.sign("anna")
    world.sign("bert")
    keep("founder begins")
    world.begin("anna", world.signature("bert"))
    keep("site begins")
    keep("analyst begins")
    return kept


STEPS = {
    "found": lambda world: world.found(),
    "join": lambda world: world.join("bert"),
    "admit": lambda world: world.admit("bert", "ada"),
    "sign": lambda world: world.sign("bert"),
    "founder begins": lambda world: world.begin("anna", world.signature("bert")),
    "site begins": lambda world: world.begin("bert", world.agreement()),
    "analyst begins": lambda world: world.begin("ada", world.agreement()),
}


def check_whole(world, step):
    """What must hold after a step that was run to its end."""
    if step == "found":
        assert {path.name for path in (world.folder("anna") / "invitations").iterdir()} == {
            "anna.json",
            "bert.json",
            "ada.json",
        }
        assert world.roles["bert"] == "site"
    elif step == "join":
        assert len(world.words("bert").split()) == 8
    elif step == "admit":
        assert world.draft()
    elif step == "sign":
        assert world.signature("bert")
    else:
        name = {"founder begins": "anna", "site begins": "bert", "analyst begins": "ada"}[step]
        agreement = load_consortium(world.folder(name) / "consortium.toml")
        (path,) = world.folder(name).rglob(f"{name}.pem")
        assert Identity.load(path).is_issued_by(agreement.authority_pem)
        assert not (world.folder(name) / f"{name}.key").exists()
    left = [
        path for path in world.root.rglob(".*.partial") if path.parent.name != "state"
    ]  # the node's own secret
    assert left == []


@pytest.mark.parametrize("step", STEPS)
def test_founding_step_that_was_killed_at_any_file_runs_again(stages, tmp_path, step):
    run = STEPS[step]
    for at in range(1, MOST_STEPS):
        world = copied(stages[step], tmp_path / f"{at}")
        with pytest.MonkeyPatch.context() as patch:
            power = Power(patch, at=at)
            try:
                run(world)
            except KilledError:
                pass
            else:
                assert power.count == at - 1 > 1
                return
        if step.endswith("begins"):
            folder = world.folder({"f": "anna", "s": "bert", "a": "ada"}[step[0]])
            assert not (
                folder / "consortium.toml"
            ).exists()  # the last file: no node starts before all are there
        run(world)
        check_whole(world, step)
    pytest.fail("the step has more files than the walk")
