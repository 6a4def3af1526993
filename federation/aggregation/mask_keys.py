"""The keys of pairwise masks: one fresh X25519 key of each site's process, exchanged from site to site.

Layer:       federation.aggregation.mask_keys, above masks; at sites alone.
Guarantees:  a site's private key is made when its process starts and is never stored, so that keys of an earlier
             process open no recorded update. A public key is taken from the site itself over mutual TLS, whose
             certificate names it, and from nowhere else: neither analyst, aggregator nor key holder carries it. The
             key of a pair is bound to the consortium, the run and both names. A public key is used as long as the
             connection lasts over which it came: a site that restarts has another key, and is asked again. A peer
             that cannot be reached is named before the attempt starts at this site.
See instead: the masks (``masks``). Two sites whose keys differ all the same (one restarted unnoticed) are found by
             the aggregator, and the attempt is lost.
Source:      rule P15; RFC 7748 (X25519), RFC 5869 (HKDF).
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federation.aggregation.masks import PAIR_KEY_BYTES
from federation.errors import SiteUnavailableError
from federation.protocol.exchange import expect, send, serve
from federation.protocol.training_messages import MaskKey, MaskKeyAsk
from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.network.channel import Channel, Network
    from federation.protocol.codec import Message

MASKS: Final = "masks"
_TAG: Final = b"crossward/mask-key/1\n"


class MaskKeys:
    """One site's pair keys with the other sites; for any thread."""

    def __init__(self, *, site: str, network: Network, configuration: str, deadline_s: float) -> None:
        """Make this process's key.

        Args:
            site: its name.
            network: its end of the network.
            configuration: digest of the consortium's configuration.
            deadline_s: longest wait for a peer (s).
        """
        self.site = site
        self._network, self._configuration, self._deadline_s = network, configuration, deadline_s
        self._private = X25519PrivateKey.generate()
        self._peers: dict[str, tuple[Channel, bytes]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"MaskKeys(site={self.site!r})"

    def serve(self) -> None:
        """Serve the other sites' channels of the purpose ``MASKS``."""
        self._network.serve(MASKS, self.handle)

    def handle(self, channel: Channel) -> None:
        """Serve one channel until it closes."""
        serve(channel, self._network, lambda message: self._reply(channel, message))

    def pair_keys(self, run: str, cohort: Sequence[str]) -> dict[str, bytes]:
        """Return this site's key with every other site of a cohort.

        Visible to: the two sites of each pair.
        Cost: nothing where the peers' public keys are known; else one exchange, with all peers at once.

        Args:
            run: identifier of the training run.
            cohort: names of sites, this one included.

        Returns:
            32 bytes for each other site.

        Raises:
            SiteUnavailableError: names a site that cannot be reached, or did not answer in time.
            PeerRejectedError: a site sent what is no public key.
        """
        others = [name for name in cohort if name != self.site]
        with self._lock:  # one exchange at a time; a second run waits, and finds the keys known
            unknown = [name for name in others if not self._is_known(name)]
            if unknown:
                with ThreadPoolExecutor(max_workers=len(unknown), thread_name_prefix="mask-keys") as pool:
                    list(pool.map(self._fetch, unknown))
            return {name: self._derived(name, self._peers[name][1], run) for name in others}

    def forget(self) -> None:
        """Forget every peer's key, so that the next attempt asks again; close the channels."""
        with self._lock:
            for channel, _ in self._peers.values():
                channel.close()
            self._peers.clear()

    def _reply(self, channel: Channel, message: Message) -> MaskKey:
        if not isinstance(message, MaskKeyAsk) or channel.role != "site":
            raise PeerRejectedError(
                reason="on this channel a site answers other sites with its mask key", name=channel.peer
            )
        return MaskKey(public=self._private.public_key().public_bytes_raw())

    def _is_known(self, name: str) -> bool:
        if name not in self._peers:
            return False
        if self._peers[name][0].has_left:
            self._peers.pop(name)[0].close()
            return False
        return True

    def _fetch(self, name: str) -> None:
        """Ask one peer and keep its public key together with the channel over which it came."""
        try:
            channel = self._network.dial(name, MASKS, self._deadline_s)
        except PartyLostError as error:
            raise SiteUnavailableError(site=name) from error
        try:
            send(channel, MaskKeyAsk())
            public = expect(channel, self._network, MaskKey, timeout_s=self._deadline_s).public
        except PartyLostError as error:
            channel.close()
            raise SiteUnavailableError(site=name) from error
        except BaseException:
            channel.close()
            raise
        self._peers[name] = (channel, public)

    def _derived(self, name: str, public: bytes, run: str) -> bytes:
        try:
            secret = self._private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as error:  # another length, or a point that gives everybody the same secret
            raise PeerRejectedError(reason="sent a mask key that cannot be used", name=name) from error
        names = sorted((self.site, name))
        info = _TAG + "\n".join((self._configuration, run, *names)).encode("ascii")
        return HKDF(algorithm=hashes.SHA256(), length=PAIR_KEY_BYTES, salt=None, info=info).derive(secret)
