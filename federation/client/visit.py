"""One visit to all sites: a request is charged and answered without waiting for any site in between.

Layer:       federation.client.visit, above ``federation.protocol``.
Guarantees:  every site has the request before the sequencer is asked for the charge, so that a site that cannot be
             reached costs nothing. The sequencer's answer decides what was spent: the complete entry, or a refusal,
             after which no site waits for this request on this client's channels. A site that has not answered soon
             after the charge receives the entry from the client too.
See instead: the question around it (``session``), the wait for a place (``queueing``), what an error says of the
             charge (``spending``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from federation.client.spending import is_refusal
from federation.protocol.channel_pool import highest_ranked
from federation.protocol.messages import Charged, RunRequest, Share
from privacy_accounting.errors import LedgerRefusedError

if TYPE_CHECKING:
    from federation.client.spending import Spending
    from federation.protocol.channel_pool import Exchange
    from federation.protocol.messages import Ask

DELIVER_S: Final = 1.0


class Visit:
    """One request on its way through all sites; used once, by one thread."""

    def __init__(self, exchange: Exchange, ask: Ask, *, sequencer: str) -> None:
        """Prepare the visit; nothing is sent.

        Args:
            exchange: channels to every site.
            ask: the signed request.
            sequencer: the site that this client takes for the sequencer.
        """
        self._exchange, self._sequencer = exchange, sequencer
        self._message = RunRequest(ask=ask, sequencer=sequencer)

    def charged(self, spending: Spending, *, charge_s: float, answer_s: float) -> Charged:
        """Send the request to all sites, and wait for its charge.

        Args:
            spending: takes note of what is known of the charge.
            charge_s: longest wait for the charge (s).
            answer_s: longest wait for a site to let a refused request go (s).

        Raises:
            The error of the highest rank among those of the sites; nothing is charged after a refusal.
        """
        others = [name for name in self._exchange.channels if name != self._sequencer]
        errors = self._exchange.send(others, self._message)
        if errors:
            errors |= self._exchange.release([name for name in others if name not in errors], answer_s)
            raise highest_ranked(errors)
        spending.asked()
        try:
            charged = self._exchange.ask_one(self._sequencer, self._message, Charged, timeout_s=charge_s)
        except Exception as error:
            if not is_refusal(error):
                raise
            raise self._refused(error, others, answer_s) from error
        spending.charged(charged.entry)
        return charged

    def shares(self, charged: Charged, *, run_s: float) -> list[Share]:
        """Wait for every site's share.

        Args:
            charged: the complete entry.
            run_s: longest wait (s).

        Returns:
            The shares in the order of the sites.

        Raises:
            The error of the highest rank among those of the sites; the charge is spent.
        """
        ends_at = time.monotonic() + run_s
        early, errors = self._exchange.collect(Share, time.monotonic() + min(DELIVER_S, run_s))
        waiting = [name for name in self._exchange.channels if name not in early | errors]
        errors |= self._exchange.send(waiting, charged)
        for name in waiting:
            if name in errors:
                continue
            try:
                early[name] = self._exchange.expect(name, Share, timeout_s=ends_at - time.monotonic())
            except Exception as error:  # noqa: BLE001
                errors[name] = error
        if errors:
            raise highest_ranked(errors)
        return [early[name] for name in self._exchange.channels]

    def _refused(self, error: Exception, others: list[str], answer_s: float) -> Exception:
        """The error to raise: a site's own words come before the sequencer's report of them."""
        own = self._exchange.release(others, answer_s)
        is_report = isinstance(error, LedgerRefusedError) or getattr(error, "site", "") in own
        return highest_ranked(own if own and is_report else {self._sequencer: error, **own})
