"""The keys of the consortium file, each with its type and its range.

Layer:       federation.consortium.consortium_model, below consortium_file. Pure.
See instead: reading a file, and what entries of the ledger changed since (``consortium_file``), tables
             (``analytics.schema``).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from federation.consortium.computing_sites import Computation  # noqa: TC001 - pydantic reads it
from federation.consortium.file_format.file_types import (
    Address,
    Hex32,
    Model,
    Name,
    Number,
    Positive,
    QualityRules,
    Share,
)

MIN_SITES, MAX_SITES = 2, 8
SUB_BUDGETS = ("query", "mining", "training")


def _joint(sites: dict[str, Member]) -> dict[str, Member]:
    if not MIN_SITES <= len(sites) <= MAX_SITES:
        msg = (
            f"a consortium has {MIN_SITES} to {MAX_SITES} sites, not {len(sites)}; "
            "exact answers and training need at least 3"
        )
        raise ValueError(msg)
    return sites


class Member(Model):
    """A node of the consortium: its address and its keys."""

    address: Address
    fingerprint: Hex32 = Field(description="SHA-256 of its certificate (DER), hex")
    public_key: Hex32 = Field(description="Ed25519 key of its certificate, hex; it signs the ledger")


class Helper(Member):
    """A node that is not a site: the dealer, the aggregator, the key holder."""

    name: Name


class Keyholder(Helper):
    """The key holder, and the public key under which sites encrypt every update."""

    paillier_modulus: Annotated[str, Field(pattern=r"^[1-9a-f][0-9a-f]{511,4095}$", description="n, hex")]
    paillier_base: Annotated[
        str,
        Field(
            pattern=r"^([1-9a-f][0-9a-f]{0,767})?$", description="h, hex; of a key of short exponents only"
        ),
    ] = ""


class Analyst(Model):
    """A person or program that may ask questions."""

    fingerprint: Hex32
    public_key: Hex32
    cap: Share = Field(
        default=Fraction(1), description="fraction of each sub-budget's allowance that this analyst may spend"
    )


class Auditor(Model):
    """A person or program that may read the ledger, the texts of all requests and the health of nodes, and ask nothing."""

    fingerprint: Hex32
    public_key: Hex32


class SubBudget(Model):
    """A part of a population's budget, with a privacy filter of its own."""

    share: Share
    plan: list[dict[str, Any]] = Field(
        default_factory=lambda: [{"mechanism": "gaussian", "count": 1}], min_length=1
    )


class Budget(Model):
    """The privacy budget of one population, over all analysts, for ever."""

    epsilon: Positive
    delta: Annotated[Number, Field(gt=0, lt=1)] | None = None
    purposes: dict[Name, Share] = Field(
        default_factory=dict, description="caps as fractions; empty: any purpose, no cap"
    )
    query: SubBudget | None = None
    mining: SubBudget | None = None
    training: SubBudget | None = None

    @property
    def parts(self) -> dict[str, SubBudget]:
        """The sub-budgets that are declared, by name."""
        return {name: part for name in SUB_BUDGETS if (part := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _shares_fit(self) -> Budget:
        if sum((part.share for part in self.parts.values()), Fraction(0)) > 1:
            msg = "the shares of query, mining and training add up to more than 1"
            raise ValueError(msg)
        if not self.parts:
            msg = "declares no sub-budget: give at least one of query, mining, training"
            raise ValueError(msg)
        return self


class Floor(Model):
    """What every site's own policy is at least as strict as, whatever its site file says."""

    exact: bool = Field(default=True, description="false: no site gives exact answers")
    site_results: bool = Field(
        default=True, description="false: no site gives exact figures about itself alone"
    )
    exact_training: Literal[False, "guarded", "unguarded"] = Field(
        default="unguarded", description="the most that a site may permit of training without noise"
    )
    exact_requests_per_analyst: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        default=None, description="a site's limit is at most this"
    )
    exact_numbers_per_population: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        default=None, description="a site's limit is at most this"
    )
    largest_epsilon: Positive | None = Field(default=None, description="a site's limit is at most this")
    require: QualityRules = Field(
        default_factory=dict,
        description="by table, what its data must show before a question or a training over it; a site may add to it",
    )


class ConsortiumFile(Model):
    """The agreement; every member holds a copy."""

    version: Literal[1]
    name: Name
    authority: str = Field(description="certificate of the consortium's authority, a path beside this file")
    relation: Literal["add_or_remove_one", "replace_one"] = Field(
        description="neighbouring relation; it has no default"
    )
    colluding: Annotated[int, Field(ge=0, strict=True)]
    delta: Annotated[Number, Field(gt=0, lt=1)]
    minimum_cell: Annotated[int, Field(ge=0, strict=True)] = 10
    sequencer: Name
    deadline_s: Positive = Fraction(30)
    local_limit_s: Positive = Fraction(20)
    floor: Floor | None = None
    sites: Annotated[dict[Name, Member], AfterValidator(_joint)]
    computation: Computation | None = None
    dealer: Helper | None = None
    aggregator: Helper | None = None
    keyholder: Keyholder | None = None
    analysts: dict[Name, Analyst] = Field(min_length=1)
    auditors: dict[Name, Auditor] = Field(default_factory=dict)
    budgets: dict[str, Budget] = Field(min_length=1)
    tables: dict[str, Any] = Field(min_length=1)
