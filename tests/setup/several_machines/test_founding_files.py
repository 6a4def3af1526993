"""Founding with files as hospitals write them: each member's words for "missing" and delimiter stay in its own site file."""

import tomllib

import pytest

from federation.errors import ConfigError
from federation.setup.several_machines import signing
from tests.setup.founding_world import World, copied, rows


@pytest.fixture(scope="module")
def drafted(tmp_path_factory):
    world = World(root=tmp_path_factory.mktemp("files"))
    for name, word in (("anna", "NA"), ("bert", "unknown")):
        path = rows(world.root / f"{name}.csv")
        path.write_text(path.read_text() + f"50,M,{word}\n")
    world.to_draft()
    return world


def table_of(world, name):
    return tomllib.loads((world.folder(name) / "site.toml").read_text())["tables"]["patients"]


def test_words_for_missing_stay_in_each_members_own_file(drafted):
    assert table_of(drafted, "anna")["missing"] == ["NA"]
    assert "missing" not in table_of(drafted, "bert")  # no usual word: its administrator decides
    said = "\n".join(signing.review(drafted.folder("bert"), drafted.draft()).differences)
    assert "do not fit the draft" in said
    assert "unknown" not in said
    for path in drafted.exchanged():
        assert "NA" not in path.read_text().replace('"', " ").split()
        assert "unknown" not in path.read_text()


def test_a_founded_draft_counts_a_person_at_all_sites(drafted):
    """Sites can be invited after the guess, so the guess must not say how many there are."""
    terms = tomllib.loads((drafted.folder("anna") / "terms.toml").read_text())
    assert "max_sites_per_unit" not in terms["tables"]["patients"]
    assert "at all sites" in "\n".join(signing.review(drafted.folder("anna"), drafted.draft()).lines)


def test_differences_are_read_as_the_site_file_says(drafted, tmp_path):
    world = copied(drafted, tmp_path)
    rows(world.data("bert"), levels=("F", "M", "X"))
    path, site = world.data("bert"), world.folder("bert") / "site.toml"
    path.write_text(path.read_text().replace(",", ";") + "50;M;unknown\n")
    view, own = (table_of(world, name)["view"] for name in ("anna", "bert"))
    assert "chol" not in own  # a column of texts, as long as nothing says that "unknown" means missing
    text = site.read_text().replace(own, view)
    site.write_text(text.replace("view = ", 'delimiter = ";"\nmissing = ["unknown"]\nview = ', 1))
    said = "\n".join(signing.review(world.folder("bert"), world.draft()).differences)
    assert "sex: this site has the levels X, which the draft lacks" in said
    assert "do not fit" not in said


def test_a_header_that_is_data_founds_nothing_and_joins_without_a_guess(tmp_path):
    world = World(root=tmp_path)
    path = world.data("anna")
    path.write_text("40,M,180\n" + "".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(ConfigError, match="header row looks like a row of data"):
        world.found()
    assert not world.folder("anna").exists()
    rows(path)
    world.found()
    bert = world.data("bert")
    bert.write_text("".join(bert.read_text().splitlines(keepends=True)[1:]))
    world.join("bert")
    assert table_of(world, "bert")["view"].strip() == "SELECT * FROM source"


def test_a_file_in_another_format_founds_and_joins_where_it_is_declared(tmp_path):
    world = World(root=tmp_path)
    settings = {"delimiter": ";", "decimal": ",", "missing": ["unknown"]}
    for name in ("anna", "bert"):
        path = world.data(name)
        path.write_text(path.read_text().replace(",", ";") + "50;M;unknown\n51;M;190,5\n")
    with pytest.raises(ConfigError):
        world.found()
    assert not world.folder("anna").exists()
    world.found(settings=settings)
    world.join("bert", settings=settings)
    world.join("ada")
    for name in ("anna", "bert"):
        assert {key: table_of(world, name)[key] for key in settings} == settings
    world.look()
    world.admit("bert", "ada")
    assert signing.review(world.folder("bert"), world.draft()).differences == []
    assert "unknown" not in world.draft().decode()


def test_a_member_without_data_declares_no_format(tmp_path):
    world = World(root=tmp_path)
    world.found()
    with pytest.raises(ConfigError, match="brings no data"):
        world.join("ada", settings={"delimiter": ";"})
