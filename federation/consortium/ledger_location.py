"""The ``[ledger]`` part of a site's file: SQLite file or PostgreSQL server, and how often to take a snapshot.

Layer:       federation.consortium.ledger_location, below site_file. Pure.
Guarantees:  the connection string may hold a password; no ``repr`` and no message shows it.
See instead: opening the ledger (``federation.node.ledger.storage``).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class LedgerLocation(BaseModel):
    """Where a site keeps its ledger, and how often it takes a snapshot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    postgres: Annotated[SecretStr, Field(min_length=1)] | None = Field(
        default=None,
        description="how to reach a PostgreSQL server (libpq); left out: a SQLite file in the state folder",
    )
    schema_name: str | None = Field(
        default=None,
        alias="schema",
        pattern=r"^[a-z][a-z0-9_]{0,40}$",
        description="its schema there; default: crossward_ and the site's name",
    )
    snapshot_every: Annotated[int, Field(ge=2, strict=True)] = Field(
        default=1_000, description="entries between two snapshots while this site is the sequencer"
    )

    @model_validator(mode="after")
    def _schema_has_a_server(self) -> LedgerLocation:
        if self.schema_name is not None and self.postgres is None:
            msg = "schema: needs postgres, which is not set"
            raise ValueError(msg)
        return self
