"""The trust model of an answer: on whose honesty its secrecy rests. The explanation and the receipt show it.

Layer:       federation.requests.trust, above consortium. Uses public facts alone.
Terms:       a *threshold* is the number of parties, any of them, that together learn nothing beyond the answer and
             what their own inputs imply. The analyst, and sites that only bring inputs, may pool with them.
Guarantees:  one sentence for every answer, true for that answer. Sums need no helper, and keep their threshold even
             where three sites compute everything else (P12).
See instead: what noise hides (``receipt.private_terms``); the protocols (``smpc``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from smpc.computing_sites import COMPUTING_SITES, THRESHOLD

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustModel:
    """The trust model of an answer.

    Attributes:
        trust: ``sites`` (no helper), ``pair`` (two sites link their patients), ``dealer``, ``three-sites``, or ``none``
            where the consortium cannot compute it.
        threshold: this many of the parties with shares learn nothing together.
        of: how many parties hold shares or material.
        evaluate: the sites that evaluate.
        deals: the party that deals the material; empty where none is needed.
        text: the same as a sentence.
    """

    trust: str
    threshold: int
    of: int
    evaluate: tuple[str, ...]
    deals: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self) | {"evaluate": list(self.evaluate)}


def trust_model_of(consortium: Consortium, *, has_products: bool, linked: tuple[str, ...] = ()) -> TrustModel:
    """Return the trust model of an answer.

    Args:
        consortium: the agreement.
        has_products: whether the answer takes comparisons or products of shares.
        linked: the two sites of a linkage.
    """
    if linked:
        text = (
            f"{' and '.join(linked)} trust each other to bring their own patients' identifiers and no others; beyond what "
            "is opened to them, neither learns anything of the other's set, and no helper takes part"
        )
        return TrustModel(trust="pair", threshold=1, of=len(linked), evaluate=linked, deals="", text=text)
    if has_products:
        return trust_model_of_products(consortium)
    n_sites = len(consortium.names)
    return TrustModel(
        trust="sites",
        threshold=n_sites - 1,
        of=n_sites,
        evaluate=consortium.names,
        deals="",
        text=f"secrecy threshold {n_sites - 1} of {n_sites} sites; no helper takes part",
    )


def trust_model_of_products(consortium: Consortium) -> TrustModel:
    """Return the trust model of comparisons and products: guarded answers, mining."""
    n_sites, names = len(consortium.names), consortium.names
    sites, dealer = consortium.three_sites, consortium.file.dealer
    if sites is not None:
        text = (
            f"secrecy threshold {THRESHOLD} of {COMPUTING_SITES} computing sites: {sites.first} and {sites.second} "
            f"evaluate, {sites.dealing} deals; any two of the three together could read what is shared"
        )
        return TrustModel(
            trust="three-sites",
            threshold=THRESHOLD,
            of=COMPUTING_SITES,
            evaluate=sites.evaluators,
            deals=sites.dealing,
            text=text,
        )
    if dealer is not None:
        text = (
            f"secrecy threshold {n_sites - 1} of {n_sites} sites, as long as the dealer ({dealer.name}) colludes with "
            "no site: with any one site it could read what is shared"
        )
        return TrustModel(
            trust="dealer", threshold=n_sites - 1, of=n_sites, evaluate=names, deals=dealer.name, text=text
        )
    text = "neither a dealer nor three computing sites: guarded answers and mining are refused"
    return TrustModel(trust="none", threshold=0, of=n_sites, evaluate=(), deals="", text=text)
