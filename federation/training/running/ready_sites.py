"""Which sites are ready: the analyst orders sums, hears which are prepared, and takes K of them for the next attempt.

Layer:       federation.training.running.ready_sites, below coordinator. The analyst's thread.
Terms:       a site is *ready* while it holds a prepared sum that it has announced (``prepared_updates``).
Guarantees:  a site is ordered to prepare one sum at a time, at the newest public model, and nothing of it leaves the site
             before its attempt is charged. The cohort is the K ready sites with the oldest models, by name among
             equals: no message of a site says more than that it is ready. A site that is gone, or not ready in time,
             is named as lost. Every wait has a deadline.
Source:      docs/guarantees.md P17.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from federation.errors import RequestRejectedError, SiteUnavailableError
from federation.protocol.exchange import checked, poll, send
from federation.protocol.training_messages import Prepare, Ready
from smpc.errors import PartyLostError

if TYPE_CHECKING:
    from federation.network.channel import Channel, Network
    from federation.protocol.codec import Message
    from federation.training.running.run_state import RunState

_POLL_S: Final = 0.02


class ReadySites:
    """The orders of one run; used by one thread."""

    def __init__(
        self, *, network: Network, purpose: str, request: bytes, limit_s: float, dial_s: float
    ) -> None:
        """Begin without an order.

        Args:
            network: the analyst's.
            purpose: of the channels to the sites.
            request: the signed request's bytes.
            limit_s: longest wait for a site's sum (s).
            dial_s: longest wait for a channel (s).
        """
        self._network, self._purpose, self._request = network, purpose, request
        self._limit_s, self._dial_s = limit_s, dial_s
        self._channels: dict[str, Channel] = {}
        self._ordered: dict[str, tuple[int, float]] = {}  # rounds of the model, end of the wait
        self._ready: dict[str, int] = {}  # rounds of the model

    def cohort(self, run: RunState) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Order a sum of every site that has none, and wait until K sites are ready.

        Args:
            run: its present sites and its opened rounds.

        Returns:
            The cohort, and the lost sites; where a site was lost, there is no cohort.

        Raises:
            FederationError, AnalyticsError: a site failed in another way than being gone.
        """
        size = run.plan.buffer or len(run.cohort)
        for site in set(self._ready).difference(run.cohort):
            del self._ready[site]
        lost = [site for site in run.cohort if not self._order(site, run)]
        while not lost and len(self._ready) < size:
            lost = self._hear()
        if lost:
            for site in lost:
                self._drop(site)
            return (), tuple(lost)
        oldest = sorted(self._ready, key=lambda site: (self._ready[site], site))
        return tuple(sorted(oldest[:size])), ()

    def used(self, cohort: tuple[str, ...]) -> None:
        """Note that an attempt of these sites was charged: none of them has a prepared sum any more."""
        for site in cohort:
            self._ready.pop(site, None)

    def close(self) -> None:
        """Close the channels."""
        for channel in self._channels.values():
            channel.close()

    def _order(self, site: str, run: RunState) -> bool:
        """Order a sum where there is none; whether the site could be reached."""
        if site in self._ready or site in self._ordered:
            return True
        message = Prepare(request=self._request, used_attempts=list(run.used_attempts))
        try:
            if site not in self._channels:
                self._channels[site] = self._network.dial(site, self._purpose, self._dial_s)
            send(self._channels[site], message)
        except PartyLostError:
            return False
        self._ordered[site] = (len(run.history), time.monotonic() + self._limit_s)
        return True

    def _hear(self) -> list[str]:
        """Take what the sites have sent; return those that are lost."""
        lost = []
        for site, (n_rounds, ends_s) in list(self._ordered.items()):
            try:
                message = poll(self._channels[site], _POLL_S / len(self._ordered))
                if message is not None:
                    self._announced(site, message, n_rounds)
                elif time.monotonic() > ends_s or not self._network.is_alive(site):
                    lost.append(site)
            except PartyLostError:
                lost.append(site)
            except SiteUnavailableError as error:
                if error.site != site:
                    raise
                lost.append(site)
            except RequestRejectedError:  # a site that was started again has to accept the request again
                lost.append(site)
        return lost

    def _announced(self, site: str, message: Message, n_rounds: int) -> None:
        checked(message, Ready, peer=site)
        del self._ordered[site]
        self._ready[site] = n_rounds

    def _drop(self, site: str) -> None:
        self._ordered.pop(site, None)
        self._ready.pop(site, None)
        if (channel := self._channels.pop(site, None)) is not None:
            channel.close()
