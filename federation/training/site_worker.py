"""A site's side of a run.

Layer:       federation.training.site_worker, above local_update and entry_check. One for each site; one thread for
             each run.
Guarantees:  in this order (P1): the entry is complete and is what this site derives; the model follows from the
             opened sums; the cohort's mask keys are known; the start is noted, durably and once for ever; local
             stage, noise, packing, masks, encryption; the update leaves. A second request for the same entry gets the
             same bytes, without a computation: one attempt has one noise and one mask. A site that restarted holds no
             such bytes, and its note refuses a second start. Where the strategy has a buffer, the local stage comes before
             the charge and stays at this site; weight, noise and masks come after the note as ever.
See instead: the note itself and the charge (the site's ledger), the analyst's side (``coordinator``).
Source:      docs/guarantees.md P1, P3, P13, P14.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from federation.aggregation.manifest import EncryptedVector
from federation.aggregation.service import AGGREGATE, OPEN
from federation.errors import (
    KeyMismatchError,
    RequestRejectedError,
    SiteUnavailableError,
    UpdateRejectedError,
)
from federation.protocol.exchange import call, serve
from federation.protocol.request import request_hash
from federation.protocol.training_messages import (
    DecryptedSum,
    Prepare,
    Ready,
    Start,
    SumAsk,
    Update,
    UpdateReceipt,
    UpdateSent,
)
from federation.training.local_update import clamped_sum, load_cases, site_update, weighted_update
from federation.training.optimizer import floats_of
from federation.training.prepared_updates import Prepared, PreparedUpdates
from privacy_accounting.noise import SystemSource
from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from analytics.sources import LocalTable
    from federation.aggregation.shared_sum import SharedSum, SharedUpdate
    from federation.aggregation.update_cipher import UpdateCipher
    from federation.network.channel import Channel, Network
    from federation.protocol.codec import Message
    from federation.training.encodings.features import Cases
    from federation.training.optimizer import Descent
    from federation.training.rounds.entry_check import CheckedAttempt, EntryCheck
    from federation.training.rounds.round_plan import RunPlan
    from privacy_accounting.ledger.entries import Entry
    from privacy_accounting.noise import ByteSource

TRAIN: Final = "train"
_WORD_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpers:
    """The two helpers, and the longest wait for them.

    Attributes:
        aggregator: its name.
        keyholder: its name.
        deadline_s: seconds.
    """

    aggregator: str
    keyholder: str
    deadline_s: float


@dataclass(slots=True)
class _Following:
    """A site's state of a run under way; it ends with the process."""

    model: Descent
    cases: Cases | None = None
    kept: Any = None
    used: tuple[int, ...] = ()
    entry_hash: bytes = b""
    update: EncryptedVector | SharedUpdate | None = None


class SiteTrainer:
    """Takes part in attempts, one after the other; keeps the state of one run at a time."""

    def __init__(  # noqa: PLR0913 - the parts of a site, each by keyword
        self,
        *,
        site: str,
        network: Network,
        agreement: EntryCheck,
        source_of: Callable[[str], LocalTable],
        cipher: UpdateCipher | None,
        shares: SharedSum | None = None,
        note: Callable[[Entry], object],
        helpers: Helpers,
        local_limit_s: float,
        keep_own: Callable[[RunPlan, str, Sequence[int]], None] | None = None,
        accepted: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Take the parts of a site's training.

        Args:
            site: its name.
            network: its end of the network.
            agreement: its own check of entries.
            source_of: its tables by name.
            cipher: its mask keys, and encryption under the pinned key; None without a key holder.
            shares: its part in sums that the sites open among themselves.
            note: notes the start of an entry's session durably; raises for one that the site has not signed since its last
                start, or that was started before.
            helpers: receive updates and answer with sums.
            local_limit_s: seconds for the local scan.
            keep_own: takes the site's own model of a run whose strategy makes one; it never leaves the site.
            accepted: whether this site has accepted the request of this digest since its last start.
        """
        self._keep_own, self._accepted, self._prepared = keep_own, accepted, PreparedUpdates()
        self.site = site
        self._network, self._agreement, self._source_of = network, agreement, source_of
        self._cipher, self._shares, self._note, self._helpers = cipher, shares, note, helpers
        self._local_limit_s = local_limit_s
        self._noise: ByteSource = SystemSource()
        self._run, self._following = "", None
        self._lock = threading.Lock()

    _following: _Following | None

    def serve(self) -> None:
        """Serve the analyst's channels of the purpose ``TRAIN``, and the other sites' for mask keys."""
        for port in (self._cipher, self._shares):
            if port is not None:
                port.serve()
        self._network.serve(TRAIN, self.handle)

    def handle(self, channel: Channel) -> None:
        """Serve one channel until it closes."""
        serve(channel, self._network, lambda message: self._reply(channel, message))

    def close(self) -> None:
        """End what this trainer runs in the background, and forget what it keeps for later attempts."""
        self._prepared.close()
        for port in (self._cipher, self._shares):
            if port is not None:
                port.close()

    def take_part(self, start: Start, *, sender: str) -> UpdateSent:
        """Contribute to one attempt.

        Args:
            start: the complete entry and the request behind it.
            sender: the analyst that the request names.

        Raises:
            RequestRejectedError: this site has no part in it, or derives another attempt.
            LedgerRefusedError: the entry is not complete, or was started before.
            SiteUnavailableError: a helper cannot be reached; or another site of the cohort, whose mask key this site needs.
                The attempt is spent.
        """
        attempted = self._agreement.attempt_of(start.request, start.entry)
        manifest = attempted.round_plan.manifest
        if self.site not in manifest.cohort:
            raise RequestRejectedError(
                site=self.site, reason="this site is not in the cohort of this attempt"
            )
        if sender != attempted.request.analyst:
            raise RequestRejectedError(site=self.site, reason="the sender is not the analyst of the request")
        if not attempted.run_plan.is_shared and manifest.key_fingerprint != self._encrypted.key_fingerprint:
            raise KeyMismatchError(reason="the plan names another key")
        if len(start.used_attempts) != manifest.attempt.round_number:
            raise RequestRejectedError(
                site=self.site, reason="the message does not say which attempts were opened"
            )
        with self._lock:
            update = self._update_of(attempted, tuple(start.used_attempts))
        if isinstance(update, EncryptedVector):
            self._deliver(start, update)
            return UpdateSent(bytes_sent=len(update.ciphertexts))
        return UpdateSent(bytes_sent=update.bytes_sent)

    def prepare(self, ask: Prepare, *, sender: str) -> Ready:
        """Compute a sum for an attempt whose cohort is not known yet, and keep it.

        Visible to: the site alone. The answer says that there is a sum, at a tick of the task, and nothing else.
        Cost: nothing is released.

        Args:
            ask: the request, and the opened rounds at whose model the sum is wanted.
            sender: the analyst that the request names.

        Raises:
            RequestRejectedError: another analyst's request, one that this site has not accepted, one of another strategy, or
                more orders than the run may have.
            SiteUnavailableError: the opened sums cannot be fetched.
        """
        began_s = time.monotonic()
        request, plan = self._agreement.plan_of(ask.request)
        run = request_hash(ask.request)
        if sender != request.analyst or not self._accepted(run):
            raise RequestRejectedError(
                site=self.site, reason="this site has not accepted this request of this analyst"
            )
        if plan.buffer is None or plan.task.exact:
            raise RequestRejectedError(site=self.site, reason="this strategy prepares nothing ahead")
        order = self._prepared.order(run, rounds=plan.task.rounds)
        if order is None:
            raise RequestRejectedError(site=self.site, reason="the run has had all its orders")
        used = tuple(ask.used_attempts)
        with self._lock:
            state = self._state_of(plan, run)
            self._follow(plan, run, state, used)
            total = clamped_sum(plan, self._cases_of(plan, state), floats_of(state.model.parameters))
        self._prepared.wait_for_tick(began_s, dict(plan.task.options)["tick_s"])
        self._prepared.put(run, order, Prepared(used=used, total=total))
        return Ready()

    @property
    def _encrypted(self) -> UpdateCipher:
        if self._cipher is None:
            raise RequestRejectedError(site=self.site, reason="the consortium has no key holder")
        return self._cipher

    @property
    def _shared(self) -> SharedSum:
        if self._shares is None:
            raise RequestRejectedError(site=self.site, reason="this site adds up no shares")
        return self._shares

    def _reply(self, channel: Channel, message: Message) -> Message:
        if isinstance(message, Prepare):
            return self.prepare(message, sender=channel.peer)
        if not isinstance(message, Start):
            raise PeerRejectedError(
                reason="a site accepts only Prepare and Start messages on this channel", name=channel.peer
            )
        return self.take_part(message, sender=channel.peer)

    def _update_of(self, attempted: CheckedAttempt, used: tuple[int, ...]) -> EncryptedVector | SharedUpdate:
        """Return the update of an attempt: computed once, then always the same bytes; of shares that it was opened."""
        plan, manifest = attempted.run_plan, attempted.round_plan.manifest
        state, entry_hash = self._state_of(plan, manifest.attempt.run), attempted.entry.hash
        if state.update is not None and state.entry_hash == entry_hash:
            return state.update
        if plan.buffer is None:
            self._follow(plan, manifest.attempt.run, state, used)
        keys = {} if plan.is_shared else self._encrypted.pair_keys(manifest)
        if not plan.is_shared:
            self._encrypted.prepare(manifest)
        prepared = None if plan.buffer is None else self._taken(attempted, used)
        self._note(attempted.entry)
        values = self._values(attempted, state, prepared)
        if plan.is_shared:
            receivers = plan.receivers(attempted.request.analyst)
            state.update = self._shared.contribute(values, manifest, receivers=receivers)
        else:
            state.update = self._encrypted.update(values, manifest, keys)
        state.entry_hash = entry_hash
        return state.update

    def _taken(self, attempted: CheckedAttempt, used: tuple[int, ...]) -> Prepared:
        """Give out the sum that this site announced; it is in this attempt or in none.

        Raises:
            SiteUnavailableError: there is none for this attempt, so this site is lost to it.
        """
        attempt = attempted.round_plan.manifest.attempt
        prepared = self._prepared.take(attempt.run, attempt.number)
        if prepared is None or prepared.used != used[: len(prepared.used)]:
            raise SiteUnavailableError(
                site=self.site, reason="this site keeps no announced sum for this attempt"
            )
        return prepared

    def _values(
        self, attempted: CheckedAttempt, state: _Following, prepared: Prepared | None
    ) -> npt.NDArray[np.int64]:
        """Compute what this site sends, after its start was noted."""
        plan, round_plan = attempted.run_plan, attempted.round_plan
        attempt = round_plan.manifest.attempt
        if prepared is not None:
            weight = plan.strategy.weight(attempt.round_number - len(prepared.used))
            return weighted_update(round_plan, prepared.total, weight, self._noise)
        cases = self._cases_of(plan, state)
        values, state.kept = site_update(plan, round_plan, cases, state.model, self._noise, state.kept)
        own = plan.strategy.own_model(state.kept) if plan.strategy.keeps_state else None
        if own is not None and self._keep_own is not None:
            self._keep_own(plan, attempt.run, own)
        return values

    def _cases_of(self, plan: RunPlan, state: _Following) -> Cases:
        if state.cases is None:
            state.cases = load_cases(plan, self._source_of(plan.table.name), self._local_limit_s)
        return state.cases

    def _state_of(self, plan: RunPlan, run: str) -> _Following:
        if self._following is None or self._run != run:
            self._run, self._following = run, _Following(model=plan.start())
        return self._following

    def _follow(self, plan: RunPlan, run: str, state: _Following, used: tuple[int, ...]) -> None:
        """Derive the model of this round from the opened sums of those before."""
        if plan.task.exact and any(used):
            raise RequestRejectedError(site=self.site, reason="without noise a round has one attempt")
        if used[: len(state.used)] != state.used:
            state.model, state.used = plan.start(), ()
        for round_number in range(len(state.used), len(used)):
            ask = SumAsk(run=run, round_number=round_number, attempt=used[round_number], wait_ms=0)
            manifest = None
            if (
                plan.task.exact
            ):  # the one attempt that may have opened a sum without noise, by this site's own plan
                before = plan.attempt(run=run, round_number=round_number, attempt=0, cohort=plan.terms.sites)
                manifest = before.manifest.digest()
            if plan.is_shared:
                opened: Sequence[int] = self._shared.fetch(
                    ask, plan.terms.sites, length=plan.length, manifest=manifest
                )
            else:
                opened = fetch_sum(self._network, self._helpers, ask, plan, manifest=manifest)
            state.model = plan.next(state.model, opened)
            state.used = used[: round_number + 1]

    def _deliver(self, start: Start, update: EncryptedVector) -> None:
        message = Update(
            request=start.request,
            entry=start.entry,
            manifest=update.manifest_digest,
            key=update.key_fingerprint,
            ciphertexts=update.ciphertexts,
            mask_tags=dict(update.mask_tags),
        )
        aggregator, deadline_s = self._helpers.aggregator, self._helpers.deadline_s
        try:
            call(self._network, aggregator, AGGREGATE, message, UpdateReceipt, timeout_s=deadline_s)
        except PartyLostError as error:
            raise SiteUnavailableError(site=aggregator) from error
        except UpdateRejectedError:
            self._encrypted.forget_peers()
            raise


def fetch_sum(
    network: Network, helpers: Helpers, ask: SumAsk, plan: RunPlan, *, manifest: str | None = None
) -> Sequence[int]:
    """Fetch an opened sum from the key holder.

    Visible to: the receivers in the plan.

    Args:
        network: of the receiver.
        helpers: the key holder and the deadline.
        ask: identifies the sum, with the longest wait for it.
        plan: of the run, for the length.
        manifest: digest of the opened attempt, where the receiver derives it.

    Returns:
        Integers, shape ``(length,)``.

    Raises:
        SiteUnavailableError: there is no such sum, or the key holder cannot be reached.
        UpdateRejectedError: this party is no receiver, or the sum has another length or belongs to another attempt.
    """
    timeout_s = ask.wait_ms / 1000 + helpers.deadline_s
    try:
        opened = call(network, helpers.keyholder, OPEN, ask, DecryptedSum, timeout_s=timeout_s)
    except PartyLostError as error:
        raise SiteUnavailableError(site=helpers.keyholder) from error
    if manifest is not None and opened.manifest != manifest:
        raise UpdateRejectedError(site=helpers.keyholder, reason="the opened sum is of another attempt")
    if len(opened.values) != _WORD_BYTES * plan.length:
        raise UpdateRejectedError(
            site=helpers.keyholder, reason="the opened sum has another length than the plan"
        )
    values: list[int] = np.frombuffer(opened.values, dtype="<i8").tolist()
    return values
