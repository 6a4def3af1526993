"""``init`` over a table in a PostgreSQL server: the site file's keys, a schema from the catalogue and the values, the doctor."""

import tomllib

import pytest

from federation.consortium.consortium_file import load_consortium
from federation.consortium.site_file import load_site
from federation.diagnostics.site_data import examine_data
from federation.errors import ConfigError
from federation.identity.certificates import write_private
from federation.setup import create
from federation.setup.infer_schema import init_consortium
from federation.setup.several_machines.draft_review import _named
from federation.setup.site_rows import read_settings, site_rows
from tests.cli.conftest import crossward
from tests.sources import servers

NOWHERE = "postgresql://reader@127.0.0.1:1/registry"
HEAD = "patient_id,age,sex,stage,weight,ill\n"
CSV = HEAD + "".join(
    f"c{n},{30 + n % 50},{'FM'[n % 2]},{1 + n % 3},{60 + n % 30}.25,{n % 2}\n" for n in range(60)
)
KEY = []


@pytest.fixture(autouse=True)
def _one_key(monkeypatch):
    """One Paillier key for all consortia of this file: a new one takes seconds."""
    real = create.create_private_key_file

    def quick(path):
        if not KEY:
            KEY.append(real(path))
            KEY.append(path.read_bytes())
        else:
            write_private(path, KEY[1])
        return KEY[0]

    monkeypatch.setattr(create, "create_private_key_file", quick)


def refused(given, **settings):
    with pytest.raises(ConfigError) as error:
        site_rows("anna", given, settings=settings, view="SELECT * FROM source")
    (mistake,) = error.value.mistakes
    return mistake


def test_what_is_wrong_with_an_address_is_said_before_any_row():
    assert refused(NOWHERE).endswith("name the table: ADDRESS#SCHEMA.TABLE")
    password = "postgresql://reader:secret@127.0.0.1:1/registry#research.t"
    assert "no password may stand in the address" in refused(password)
    assert "secret" not in refused(password)
    assert "no password may stand in the address" in refused(password.removesuffix("#research.t"))
    assert "engine must be the kind" in refused(f"{NOWHERE}#research.t", engine="spark")
    assert "needs a table's name" in refused(f"{NOWHERE}#a..b")
    both = refused(f"{NOWHERE}#research.t", password_env="A", password_file="/b")
    assert "name one of them" in both


def test_keys_of_a_server_are_refused_for_a_file(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    mistake = refused(tmp_path / "a.csv", engine="postgresql", password_env="A")
    assert mistake == "anna: engine, password_env: for a server, whose address is the source"


def test_a_server_that_is_not_reached_stops_init_and_writes_nothing(tmp_path):
    (tmp_path / "b.csv").write_text(CSV)
    files = [f"anna={NOWHERE}#research.t", f"bert={tmp_path / 'b.csv'}", f"carl={tmp_path / 'b.csv'}"]
    ran = crossward("init", tmp_path / "here", *(part for each in files for part in ("--site", each)))
    assert ran.code == 1
    assert "anna" in ran.err
    assert "the server cannot be reached" in ran.err
    assert not (tmp_path / "here").exists()


@pytest.fixture(scope="module")
def server():
    for running in servers.for_tests():
        running.run(
            "CREATE TYPE sex AS ENUM ('F', 'M', 'X')",
            "CREATE TABLE research.visits (patient_id text NOT NULL, age int NOT NULL, sex sex NOT NULL, "
            "stage int, weight numeric(5,2) NOT NULL, ill boolean NOT NULL)",
            "INSERT INTO research.visits SELECT 'p' || n, 30 + n % 50, (ARRAY['F', 'M'])[1 + n % 2]::sex, 1 + n % 3, "
            "60 + n % 30 + 0.5, n % 2 = 0 FROM generate_series(1, 90) n",
        )
        yield running


def made(folder, server, *options):
    access = server.access()
    (folder / "b.csv").write_text(CSV)
    words = [
        f"anna={server.url()}#research.visits",
        *(f"{name}={folder / 'b.csv'}" for name in ("bert", "carl")),
    ]
    words = [part for each in words for part in ("--site", each)]
    words += ["--table", "visits", "--format", f"anna.password_file={access.password_file}"]
    return crossward("init", folder / "here", *words, *options)


@pytest.mark.parametrize("engine", ["", "postgresql"])
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_init_writes_the_keys_and_guesses_from_catalogue_and_values(engine, server, tmp_path):
    ran = made(tmp_path, server, *(["--format", f"anna.engine={engine}"] if engine else []))
    assert ran.code == 0, ran.err
    text = (tmp_path / "here" / "sites" / "anna" / "site.toml").read_text("utf-8")
    own = tomllib.loads(text)["tables"]["visits"]
    assert own["source"] == server.url()
    assert own["table"] == "research.visits"
    assert own["password_file"] == str(server.access().password_file)
    assert own.get("engine", "") == engine
    assert servers.READER not in text
    table = load_consortium(tmp_path / "here" / "consortium.toml").schema.tables["visits"]
    assert table.privacy_unit == "patient_id"
    assert table.columns["sex"].domain == ("F", "M", "X")  # no row has X, and the catalogue knows it
    assert table.columns["weight"].resolution.denominator == 100  # the values have one decimal
    assert table.columns["stage"].nullable  # no value is missing today
    assert not table.columns["age"].nullable
    assert all(column.guessed for column in table.columns.values() if column.name != "patient_id")
    config = load_site(tmp_path / "here" / "sites" / "anna" / "site.toml")
    found = examine_data(config)
    assert [finding.text for finding in found if not finding.is_good] == []
    assert any("90 rows read, 90 kept" in finding.text for finding in found)
    assert any("column sex: no row has X" in finding.text for finding in found)
    shown = load_site(tmp_path / "here" / "sites" / "anna" / "site.toml").file.tables["visits"]
    assert _named(config.folder, "visits", table, shown) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_tables_that_the_login_may_read_are_listed_where_none_is_named(server):
    access = server.access()
    mistake = refused(server.url(), password_file=str(access.password_file))
    assert mistake.endswith("the login may read research.visits")
    gone = refused_rows(f"{server.url()}#research.gone", password_file=str(access.password_file))
    assert "no table or view gone" in gone


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_connection_may_have_a_name_in_the_service_file(server, tmp_path, monkeypatch):
    names = tmp_path / "services.conf"
    names.write_text(f"[registry]\nhost=127.0.0.1\nport={server.port}\ndbname=postgres\nuser=reader\n")
    monkeypatch.setenv("PGSERVICEFILE", str(names))
    monkeypatch.setenv("REGISTRY_PASSWORD", servers.READER)
    given = "postgresql:///?service=registry#research.visits"
    rows = site_rows(
        "anna", given, settings={"password_env": "REGISTRY_PASSWORD"}, view="SELECT * FROM source"
    )
    with rows.inspected() as connection:
        assert connection.execute("SELECT count(*) FROM source").fetchone() == (90,)


def refused_rows(given, **settings):
    rows = site_rows("anna", given, settings=settings, view="SELECT * FROM source")
    with pytest.raises(ConfigError) as error, rows.inspected():
        pass
    return error.value.mistakes[0]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_doctor_names_what_a_changed_table_lacks(server, tmp_path):
    assert made(tmp_path, server, "--format", "anna.engine=postgresql").code == 0
    config = load_site(tmp_path / "here" / "sites" / "anna" / "site.toml")
    server.run(
        "ALTER TABLE research.visits RENAME COLUMN age TO years",
        "ALTER TABLE research.visits DROP COLUMN ill",
    )
    try:
        mended = [finding.text for finding in examine_data(config) if not finding.is_good]
        assert len(mended) == 1
        assert mended[0].startswith(
            "research.visits: the site's view cannot be computed: there is no column age"
        )
    finally:
        server.run(
            "ALTER TABLE research.visits RENAME COLUMN years TO age",
            "ALTER TABLE research.visits ADD COLUMN ill boolean",
        )


def test_settings_of_a_server_are_read_with_whole_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = read_settings(["a.engine=postgresql", "a.password_file=p", "a.source_version=2"], ["a", "b"])
    assert found == {
        "a": {"engine": "postgresql", "password_file": str(tmp_path / "p"), "source_version": "2"},
        "b": {},
    }


def test_python_gives_files_and_addresses_alike(tmp_path):
    (tmp_path / "b.csv").write_text(CSV)
    with pytest.raises(ConfigError, match="the server cannot be reached"):
        init_consortium(
            tmp_path / "here",
            sites={"anna": f"{NOWHERE}#research.t", "bert": str(tmp_path / "b.csv")},
        )
