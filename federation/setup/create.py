"""Creates a consortium on one machine: authority, certificates, the agreement, a file for each site.

Layer:       federation.setup.create, above identity and consortium.
Guarantees:  the written files load again without a mistake, or none is kept. Only the owner may read a key file, from
             its first byte on. An existing consortium is never overwritten.
See instead: starting nodes (``federation.processes``), inferring a schema (``infer_schema``).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import tomlkit

from federation.consortium.consortium_file import load_consortium
from federation.consortium.folders import Folders
from federation.consortium.helper_file import TEXT, load_helper
from federation.consortium.site_file import load_site
from federation.errors import ConfigError, KeyMismatchError
from federation.identity.authority import Authority
from federation.identity.certificates import AUTHORITY_FILE, Identity, write_private
from federation.paillier.key_files import PRIVATE_KEY_FILE, create_private_key_file
from federation.setup.consortium_toml import consortium_toml
from federation.setup.free_ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.setup.settings import ConsortiumSettings, SiteSetup


KEYHOLDER = "keyholder"


def create_consortium(folder: Path, *, terms: ConsortiumSettings, sites: Mapping[str, SiteSetup]) -> Folders:
    """Write all files of a consortium on this machine.

    Args:
        folder: the target; must not exist, or be empty.
        terms: the members' settings.
        sites: each site's own choices.

    Returns:
        The paths of all files.

    Raises:
        ConfigError: the folder is taken, or the files contradict each other (then none is kept).
        KeyMismatchError: there is no such type of key (then no file is kept).
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(mistakes=[f"{folder} is not an empty folder; a consortium is never overwritten"])
    places = Folders(root=folder.resolve())
    try:
        _write(places, terms, sites)
        load_consortium(places.consortium)
        for name in sites:
            load_site(places.site(name))
        for role in terms.helpers:
            load_helper(places.helper_file(role))
    except OSError as error:
        shutil.rmtree(places.root, ignore_errors=True)
        raise ConfigError(mistakes=[f"cannot write {error.filename or folder}: {error.strerror}"]) from error
    except (ConfigError, KeyMismatchError):
        shutil.rmtree(places.root, ignore_errors=True)
        raise
    return places


def _write(places: Folders, terms: ConsortiumSettings, sites: Mapping[str, SiteSetup]) -> None:
    places.root.mkdir(parents=True, exist_ok=True)
    authority = Authority.create(terms.name)
    authority.save(places.authority)
    names = [*sites, *terms.helpers]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    members = {
        name: _member(_issue(authority, places.site_identity(name), name, "site"), ports[name])
        for name in sites
    }
    helpers = {
        role: {"name": role} | _member(_issue(authority, places.helper(role), role, role), ports[role])
        for role in terms.helpers
    }
    if KEYHOLDER in helpers:
        path = places.helper(KEYHOLDER).parent / PRIVATE_KEY_FILE
        public = create_private_key_file(path, key_type=terms.key_type)
        helpers[KEYHOLDER]["paillier_modulus"] = f"{public.n:x}"
        if public.is_short:
            helpers[KEYHOLDER]["paillier_base"] = f"{public.base:x}"
    analysts = {}
    for name in terms.analysts:
        identity = _issue(authority, places.analyst(name), name, "analyst")
        analysts[name] = {"fingerprint": identity.fingerprint, "public_key": identity.public_hex}
    places.consortium.write_text(
        consortium_toml(
            terms,
            authority=f"{places.authority.name}/{AUTHORITY_FILE}",
            sites=members,
            helpers=helpers,
            analysts=analysts,
        ),
        encoding="utf-8",
    )
    for role in terms.helpers:
        text = TEXT.format(name=role, identity=places.helper(role).name, consortium="../../consortium.toml")
        places.helper_file(role).write_text(text, encoding="utf-8")
    for name, setup in sites.items():
        places.site(name).write_text(
            site_text(name, setup, consortium="../../consortium.toml"), encoding="utf-8"
        )


def _issue(authority: Authority, path: Path, name: str, role: str) -> Identity:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, authority.issue(name, role))
    return Identity.load(path)


def _member(identity: Identity, port: int) -> dict[str, str]:
    return {
        "address": f"{LOOPBACK}:{port}",
        "fingerprint": identity.fingerprint,
        "public_key": identity.public_hex,
    }


def site_text(name: str, setup: SiteSetup, *, consortium: str = "consortium.toml") -> str:
    """Write the text of a site file.

    Args:
        name: the site.
        setup: its choices.
        consortium: path of the agreement, beside the site file.

    Returns:
        TOML; the identity is ``NAME.pem`` beside it.
    """
    document = tomlkit.document()
    document.add(tomlkit.comment(f"The site {name}: its own file; no other member reads it."))
    document["version"] = 1
    document["consortium"] = consortium
    document["site"] = name
    document["identity"] = f"{name}.pem"
    document["state"] = "state"
    policy = tomlkit.table()
    policy.comment("this site's own rules, on top of the agreement")
    for key, value in setup.policy.items():
        policy[key] = value
    document["policy"] = policy
    document["computation"] = {"engine": setup.engine}
    tables = tomlkit.table(is_super_table=True)
    for table_name, table in setup.tables.items():
        section = tomlkit.table()
        is_address = isinstance(table.source, str)
        section["source"] = table.source if is_address else str(Path(table.source).resolve())
        if table.table is not None:
            section["table"] = table.table
        for key, value in table.format.items():
            section[key] = value
        section["view"] = tomlkit.string(table.view.strip() + "\n", multiline=True)
        tables[table_name] = section
    document["tables"] = tables
    return tomlkit.dumps(document)
