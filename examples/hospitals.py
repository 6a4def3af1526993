"""The four hospitals that come with the project, as a consortium inside this process."""

import tomllib
from importlib.resources import files

import federation

DATA = files("federation.demo") / "data"
NAMES = ("cleveland", "hungary", "switzerland", "va_long_beach")


def open_session():
    """Each site gets its own file; nothing is shared but the schema and the view."""
    return federation.local(
        {name: DATA / "heart_disease" / f"{name}.csv" for name in NAMES},
        schema=tomllib.loads((DATA / "schema.toml").read_text("utf-8")),
        view=(DATA / "view.sql").read_text("utf-8"),
    )
