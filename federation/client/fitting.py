"""Constants over all sites for their mappings: released with noise, once, and then the same public number at every site.

Layer:       federation.client.fitting, above session.
Guarantees:  every figure is an ordinary private answer: charged before it is released, and priced in its receipt. What can be
             refused by the schema is refused before the first charge. Where a later release fails, the earlier ones are
             handed on with the error, so that nothing that was paid for is lost.
See instead: what a constant is (``analytics.harmonise.constants``).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from analytics.errors import InvalidRequestError
from analytics.harmonise.constants import QUANTILES, Released, constants_of, needs_of
from analytics.schema import NumericColumn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.client.session import Session

Constants = dict[str, dict[str, dict[str, str]]]


@dataclass(kw_only=True)
class Fitted:
    """What was fitted so far.

    Attributes:
        constants: by column, the keys of its mapping.
        releases: a sentence for each release that was paid for.
        n_releases: how many there will be.
    """

    constants: Constants = field(default_factory=dict)
    releases: list[str] = field(default_factory=list)
    n_releases: int = 0


def fit_constants(
    session: Session,
    table: str,
    fits: Mapping[str, Sequence[str]],
    *,
    epsilon: Fraction,
    purpose: str = "analysis",
    into: Fitted | None = None,
) -> Fitted:
    """Release what the constants of some columns need.

    Args:
        session: an analyst's.
        table: of the schema.
        fits: by numeric column, names of ``constants.FITS``.
        epsilon: for all together; each release gets an equal part.
        purpose: of each charge.
        into: gets the constants one by one; default: a new one.

    Returns:
        The constants.

    Raises:
        InvalidRequestError: before any charge: no such column or fit; or a release has no value at this epsilon.
        CrosswardError: as for any private question; what was released before is in ``into``.
    """
    done = Fitted() if into is None else into
    columns = {name: _column(session, table, name) for name in fits}
    needs = {name: needs_of(columns[name], fits[name]) for name in fits}
    n_releases = sum(map(len, needs.values()))
    done.n_releases = n_releases
    part = epsilon / n_releases if n_releases else epsilon
    for name, own in needs.items():
        found = Released()
        for need in sorted(own):
            release = _quartiles if need == "quantiles" else _moments
            found = release(session, table, name, {"epsilon": part, "purpose": purpose}, found)
            done.releases.append(f"{name}: {need}, epsilon {float(part):g}")
        done.constants[name] = constants_of(columns[name], fits[name], found)
    return done


def _column(session: Session, table: str, name: str) -> NumericColumn:
    found = session.consortium.schema.tables[table].columns.get(name)
    if not isinstance(found, NumericColumn):
        raise InvalidRequestError(parameter=name, reason="is no numeric column of the schema's table")
    return found


def _quartiles(
    session: Session, table: str, name: str, price: Mapping[str, Any], found: Released
) -> Released:
    answer = session.statistic("quantile", table=table, column=name, q=list(QUANTILES), **price)
    rows: Any = answer.to_dict()["rows"]
    middles = []
    for row in rows:
        if row["start"] is None or row["end"] is None:
            reason = "its quartiles have no value at this epsilon: take a larger one"
            raise InvalidRequestError(parameter=name, reason=reason)
        middles.append((Fraction(str(row["start"])) + Fraction(str(row["end"]))) / 2)
    return replace(
        found, quartiles=tuple(middles), basis=_basis(found, "quartile bins", answer.receipt, price)
    )


def _moments(session: Session, table: str, name: str, price: Mapping[str, Any], found: Released) -> Released:
    question = f'SELECT AVG("{name}") AS m, STDDEV("{name}") AS sd FROM "{table}"'  # noqa: S608  the schema's names
    answer = session.sql(question, **price)
    ((mean, deviation),) = answer.rows
    if not isinstance(mean, float | int) or not isinstance(deviation, float | int):
        reason = "its mean and deviation have no value at this epsilon: take a larger one"
        raise InvalidRequestError(parameter=name, reason=reason)
    return replace(
        found,
        mean=Fraction(str(mean)),
        deviation=Fraction(str(deviation)),
        basis=_basis(found, "mean and deviation", answer.receipt, price),
    )


def _basis(found: Released, what: str, receipt: Mapping[str, Any], price: Mapping[str, Any]) -> str:
    own = f"{what}, epsilon {float(price['epsilon']):g}, ledger entry {receipt['number']}"
    return f"{found.basis}; {own}" if found.basis else own
