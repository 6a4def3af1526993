"""The founder takes answers and signatures directly, and gives the draft and the agreement to whom they belong.

Layer:       federation.setup.several_machines.collecting, above founding and signing.
Guarantees:  nothing is decided here that a person decides: an answer that arrived is admitted by ``crossward admit`` with
             the eight words, as one that came by e-mail. The first answer that proves an invitation's token takes it;
             another one is refused, and both administrators see it. Draft and agreement go only to the key that was
             admitted. A caller who proves nothing is told one sentence, whatever is wrong.
Visible to:  whoever holds an invitation can bring an answer; the words then differ. No row and no value of the data is here.
See instead: the connection (``federation.network.direct``), the member's side (``delivering``).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from federation.consortium.admission.approvals import Draft, Signature
from federation.consortium.admission.deliveries import Delivery, DeliveryReply
from federation.consortium.admission.invitations import Answer, date
from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.direct_certificate import direct_certificate
from federation.setup.several_machines.draft_review import guesses
from federation.setup.several_machines.founder_folder import FounderFolder
from federation.setup.several_machines.founding import admitted_answer, is_new_answer
from federation.setup.several_machines.joining import MemberFolder
from federation.setup.several_machines.signing import begin
from federation.setup.several_machines.whole_files import PRIVATE, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from federation.consortium.admission.invitations import Invitation

UNPROVEN: Final = (
    "this does not prove an invitation that is good here: it may be an older one, of another consortium, or answered "
    "with another key; ask the founder for a new one"
)


class Collector:
    """One founder's place for deliveries; for several threads, one delivery after the other.

    Attributes:
        address: HOST:PORT that the invitations name.
        done: set once every other member has fetched the agreement.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tell: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open a founder's folder.

        Args:
            folder: the founder's.
            tell: called with a sentence for the founder's administrator.
            clock: seconds since 1970.

        Raises:
            FoundingRefusedError: the folder is not a founder's, or its invitations name no direct address.
        """
        self._places, self._member = FounderFolder(root=folder), MemberFolder(root=folder)
        own = self._member.load_invitation()
        self._places.invitations()
        if not self._places.direct.is_file():
            raise FoundingRefusedError(
                reason=f"the invitations of {folder} name no direct address: found with --direct HOST:PORT, or write each "
                "anew with crossward invite --direct"
            )
        self._name, self.address = own.name, own.direct
        self._certificate = direct_certificate(self._places.direct, name=own.consortium)
        self._tell, self._clock = tell, clock
        self._lock = threading.Lock()
        self._has_agreement: set[str] = set()
        self.done = threading.Event()

    @property
    def identity_file(self) -> Path:
        """Certificate and key to listen with."""
        return self._places.direct

    def take(self, nonce: bytes, head: bytes, file: bytes) -> tuple[bytes, bytes]:
        """Take one delivery.

        Args:
            nonce: what was drawn for this connection.
            head: the delivery's head.
            file: its file.

        Returns:
            The reply's head and file.
        """
        try:
            with self._lock:
                found = self._taken(nonce, head, file)
        except FoundingRefusedError as error:
            return DeliveryReply(state="refused", reason=error.reason[:2000]).to_bytes(), b""
        except (
            ConfigError,
            OSError,
        ) as error:  # of the founder's own files: its administrator alone sees why
            self._tell(f"a delivery could not be taken: {error}")
            return DeliveryReply(
                state="refused", reason="the founder's files cannot be used now"
            ).to_bytes(), b""
        state = "waiting" if found is None else "ready"
        return DeliveryReply(state=state).to_bytes(), found or b""

    def _taken(self, nonce: bytes, head: bytes, file: bytes) -> bytes | None:
        delivery = Delivery.from_bytes(head, file)
        invitation = self._places.invitations().get(delivery.name)
        if invitation is None or invitation.name == self._name:
            raise FoundingRefusedError(reason=UNPROVEN)
        answer = _proven(file, invitation) if delivery.brings == "answer" else self._known(invitation)
        if answer is None or not delivery.is_signed_by(
            answer.public_key, nonce=nonce, certificate=self._certificate
        ):
            raise FoundingRefusedError(reason=UNPROVEN)
        if delivery.brings == "answer":
            self._keep(answer, invitation, file)
        elif delivery.brings == "signature":
            self._keep_signature(delivery.name, file)
        if delivery.wants == "draft":
            return self._draft_for(answer)
        return self._agreement_for(answer) if delivery.wants == "agreement" else None

    def _known(self, invitation: Invitation) -> Answer | None:
        """The answer that was admitted under a name, or else arrived for this very invitation."""
        admitted = admitted_answer(self._places, invitation.name)
        return admitted or self._arrived(invitation)

    def _arrived(self, invitation: Invitation) -> Answer | None:
        path = self._places.arrived(invitation.name)
        answer = Answer.from_bytes(path.read_bytes()) if path.is_file() else None
        return answer if answer is not None and answer.invitation == invitation.digest else None

    def _keep(self, answer: Answer, invitation: Invitation, file: bytes) -> None:
        earlier = self._arrived(invitation)
        if earlier is not None and earlier != answer:
            self._tell(
                f"REFUSED: a second answer for {answer.name}, with another key than the one that arrived: another person may "
                f"hold the invitation. Call {answer.name}, then: crossward invite {self._places.root} {answer.name}"
            )
            raise FoundingRefusedError(
                reason=f"the invitation of {answer.name} was used already, by an answer of {date(earlier.made)} with another "
                "key: call the founder, who writes a new invitation"
            )
        is_new = is_new_answer(self._places, self._places.invitations(), answer, int(self._clock()))
        if is_new and earlier is None:
            self._member.check_not_begun()
            put(self._places.arrived(answer.name), file, mode=PRIVATE)
            self._tell(
                f"the answer of {answer.name} arrived: call {answer.name}, and type the words that you hear: "
                f'crossward admit {self._places.root} --words {answer.name}="EIGHT WORDS"'
            )

    def _keep_signature(self, name: str, file: bytes) -> None:
        signature = Signature.from_bytes(file)
        if signature.name != name or not self._places.draft.is_file():
            raise FoundingRefusedError(
                reason=f"{name} brings a signature that is not its own, or for no draft"
            )
        draft = Draft.from_bytes(self._places.draft.read_bytes())
        signature.check(draft, draft.consortium())
        path = self._member.signature(name)
        if not path.is_file() or path.read_bytes() != signature.to_bytes():
            put(path, signature.to_bytes())
            self._tell(f"the signature of {name} arrived")

    def _draft_for(self, answer: Answer) -> bytes | None:
        if answer.role != "site":
            raise FoundingRefusedError(
                reason=f"only sites sign; {answer.role} {answer.name} waits for the agreement"
            )
        if not self._is_admitted(answer) or not self._places.draft.is_file():
            return None
        data = self._places.draft.read_bytes()
        consortium = Draft.from_bytes(data).consortium()
        pinned = consortium.file.sites.get(answer.name)
        if pinned is None or pinned.public_key != answer.public_key or guesses(consortium):
            return None  # an older draft, or one that no site would sign
        return data

    def _agreement_for(self, answer: Answer) -> bytes | None:
        if not self._is_admitted(answer):
            return None
        if not self._member.consortium.is_file() and not self._begins():
            return None
        self._has_agreement.add(answer.name)
        if self._has_agreement >= self._places.invitations().keys() - {self._name}:
            self.done.set()
        return self._member.agreement.read_bytes()

    def _is_admitted(self, answer: Answer) -> bool:
        return admitted_answer(self._places, answer.name) == answer

    def _begins(self) -> bool:
        """Begin once all sites have signed, this one too; a person has decided it by signing."""
        if not self._member.signature(self._name).is_file():
            return False
        try:
            begun = begin(self._places.root, [])
        except FoundingRefusedError:
            return False  # a signature is missing, or under an earlier draft
        self._tell(
            f"all sites have signed draft {begun.digest[:16]}; crossward site serve {begun.start} starts the node"
        )
        return True


def arrived_answers(folder: Path) -> dict[str, bytes]:
    """The answers that arrived directly and are not admitted yet, by name."""
    places = FounderFolder(root=folder)
    names = [
        path.name.removesuffix(".answer.json") for path in places.arrived("x").parent.glob("*.answer.json")
    ]
    return {
        name: places.arrived(name).read_bytes()
        for name in sorted(names)
        if not places.admitted(name).exists()
    }


def _proven(file: bytes, invitation: Invitation) -> Answer:
    """Read an answer that proves the token of this invitation; whoever does not prove it learns nothing else.

    Raises:
        FoundingRefusedError: it does not.
    """
    try:
        answer = Answer.from_bytes(file)
        answer.check_answers(invitation)
    except FoundingRefusedError as error:
        raise FoundingRefusedError(reason=UNPROVEN) from error
    return answer
