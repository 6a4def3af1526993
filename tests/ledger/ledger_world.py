"""A consortium in one process: sites, their ledgers, a network that loses chosen messages, crashes at any write."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from fractions import Fraction

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privacy_accounting.budget import PopulationBudget, plan_sub_budget
from privacy_accounting.errors import AccountingError, LedgerRefusedError
from privacy_accounting.events import Gaussian, Relation
from privacy_accounting.ledger.budgets import event_text
from privacy_accounting.ledger.contents import Cancel, Charge, Exact, Genesis, Request
from privacy_accounting.ledger.entries import Body, Entry, body_hash, public_hex, sign_body
from privacy_accounting.ledger.messages import Complete, Proposal, read_answer
from privacy_accounting.ledger.pricing import stated_price
from privacy_accounting.ledger.replication.agreement import agree
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.sequencer import Draft, Sequencer
from privacy_accounting.ledger.storage.store import MemoryStore, Store

RELATION = Relation.ADD_OR_REMOVE_ONE
CONSORTIUM = "c0" * 32
NAMES = ("ankara", "basel", "cairo")
NOISE = Fraction(8)


class Crash(Exception):  # noqa: N818 - it is no error of ours
    """The process dies here."""


class CrashStore(Store):
    """Dies before or after the n-th write from now."""

    def __init__(self, inner):
        self.inner, self.countdown, self.after = inner, None, False

    @property
    def owner(self):
        return self.inner.owner

    def height(self):
        return self.inner.height()

    def first(self):
        return self.inner.first()

    def entries(self, first=0, limit=None):
        return self.inner.entries(first, limit)

    def notes(self, table, *, first=0, digest=""):
        return self.inner.notes(table, first=first, digest=digest)

    def append(self, entries, notes=()):
        dies = False
        if self.countdown is not None:
            self.countdown -= 1
            dies = self.countdown < 0
        if dies and not self.after:
            self.countdown = None
            raise Crash
        self.inner.append(entries, notes)
        if dies:
            self.countdown = None
            raise Crash

    def close(self):
        self.inner.close()


def key_of(name):
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def a_budget(epsilon=Fraction(4), purpose_caps=None, analyst_caps=None, shares=(("query", Fraction(1)),)):
    delta = Fraction(1, 10**6)
    parts = {
        name: plan_sub_budget(epsilon=epsilon, delta=delta, share=share, relation=RELATION)
        for name, share in shares
    }
    return PopulationBudget(
        epsilon=epsilon,
        delta=delta,
        sub_budgets=parts,
        purpose_caps=purpose_caps or {},
        analyst_caps=analyst_caps or {},
    )


def a_genesis(names=NAMES, budget=None, sequencer=None):
    genesis = Genesis(
        consortium=CONSORTIUM,
        members={name: public_hex(key_of(name)) for name in names},
        sequencer=sequencer or names[0],
        relation=RELATION,
        delta=Fraction(1, 10**6),
        colluding=1,
        populations={"cardiology": budget or a_budget()},
    )
    return Body(
        chain=CONSORTIUM, number=0, previous="00" * 32, time=0, cohort=tuple(sorted(names)), content=genesis
    )


_counter = itertools.count(1)


def a_request(
    analyst="ada", purpose="audit", nonce=None, run="", round_=0, attempt=0, population="cardiology"
):
    number = next(_counter) if nonce is None else nonce
    return Request(
        population=population,
        analyst=analyst,
        purpose=purpose,
        request="ab" * 32,
        nonce=f"{number:032x}",
        request_signature="cd" * 64,
        run=run,
        round=round_,
        attempt=attempt,
    )


def a_charge(budget=None, *, noise=NOISE, count=1, sub_budget="query", cost=None, asked=None, **request):
    part = (budget or a_budget()).sub_budgets[sub_budget]
    events = (Gaussian(noise_multiplier=noise, count=count),)
    price = stated_price(events, part.order, RELATION)
    return Charge(
        asked=asked or a_request(**request),
        sub_budget=sub_budget,
        events=tuple(event_text(event) for event in events),
        order=part.order,
        cost=price.cost if cost is None else cost,
        cost_all_but_one=price.cost_all_but_one,
        pure_epsilon=price.pure_epsilon,
    )


def an_exact(**request):
    return Exact(asked=a_request(**request), receivers=("ada",), numbers=10)


def cancel_of(entry):
    return Cancel(entry=entry.body.number, entry_hash=entry.hash.hex())


def admit_all(body):
    """Agree to everything."""


class Site:
    """One hospital's node."""

    def __init__(self, world, name, store):
        self.world, self.name, self.store = world, name, CrashStore(store)
        self.admit = admit_all
        self.up = True
        self.boot()

    def boot(self):
        """Begin a life."""
        self.replica = Replica(self.store, key_of(self.name), self.world.clock, genesis=self.world.genesis)
        self.up = True
        self.session_keys = []

    def receive(self, data):
        return self.replica.receive(data, self.admit, source=self.world.sequencer_name)


class World:
    """A consortium whose network obeys the test."""

    def __init__(self, names=NAMES, budget=None, stores=None):
        self.now = 1_700_000_000
        self.budget = budget or a_budget()
        self.genesis = a_genesis(names, self.budget)
        self.names = names
        self.sequencer_name = names[0]
        make = stores or (lambda name: MemoryStore(owner=name))
        self.lost_before = set()  # sites that a message does not reach
        self.lost_after = set()  # sites whose answer is lost
        self.ran = []  # (site, session id) of everything that left a site
        self.sites = {name: Site(self, name, make(name)) for name in names}
        self.sequencer = Sequencer(self.sites[self.sequencer_name].replica)

    def clock(self):
        return self.now

    # network ---------------------------------------------------------------------------------------------------------

    def carry(self, messages):
        answers = {}
        for name, datas in messages.items():
            site, answer = self.sites[name], b""
            if not site.up or name in self.lost_before:
                continue
            try:
                for data in datas:
                    try:
                        answer = site.receive(data)
                    except AccountingError:
                        answer = b""
            except Crash:
                site.up = False
                continue
            if name not in self.lost_after:
                answers[name] = answer
        return answers

    def agree(self, *contents, cohort=None):
        drafts = [Draft(cohort=tuple(sorted(cohort or self.names)), content=content) for content in contents]
        self.now += 1
        return agree(self.sequencer, drafts, self.head.admit, self.carry)

    @property
    def head(self):
        return self.sites[self.sequencer_name]

    # life ------------------------------------------------------------------------------------------------------------

    def found(self):
        """Write the genesis entry."""
        self.sequencer.recover(self.heads())
        result = self.agree(self.genesis.content)
        assert result.entries, result
        return self

    def heads(self):
        return {n: s.replica.head for n, s in self.sites.items() if n != self.sequencer_name and s.up}

    def restart(self, name, store=None):
        """Kill a site where it stands and begin its next life, from another store if one is given."""
        site = self.sites[name]
        if store is not None:
            site.store = CrashStore(store)
        site.store.countdown = None
        site.boot()
        self.catch_up(name)
        if name == self.sequencer_name:
            self.sequencer = Sequencer(site.replica)
            for other in self.names:
                if other != name and self.sites[other].up:
                    self.catch_up(name)
            self.sequencer.recover(self.heads())

    def catch_up(self, name):
        replica = self.sites[name].replica
        for other in self.names:
            source = self.sites[other]
            while source.up and other != name and source.replica.head > replica.head:
                replica.catch_up(source.replica.entries_from(replica.head + 1), source=other)

    def run(self, entry, names=None):
        """Let sites start the run of an entry; what starts, leaves."""
        for name in names or entry.body.cohort:
            site = self.sites[name]
            if not site.up:
                continue
            try:
                session = site.replica.start(entry)
            except LedgerRefusedError:
                continue
            except Crash:
                site.up = False
                continue
            self.ran.append((name, session, entry.hash))

    def entries(self, name=None):
        return [Entry.from_bytes(data) for data in self.sites[name or self.sequencer_name].store.entries()]


def copy_of(store):
    """A backup of a memory store."""
    inner = store.inner if isinstance(store, CrashStore) else store
    copy = MemoryStore(owner=inner.owner)
    copy._entries = list(inner._entries)
    copy._notes = {table: list(notes) for table, notes in inner._notes.items()}
    copy._keys = set(inner._keys)
    return copy


def check_quickly(world):
    """No fork, nothing ran twice or unpaid: what can be checked after every step."""
    chains = {name: site.store.entries() for name, site in world.sites.items()}
    longest = max(chains.values(), key=len)
    for name, chain in chains.items():
        assert chain == longest[: len(chain)], f"{name} forked"
    assert len({(site, session) for site, session, _ in world.ran}) == len(world.ran), (
        "a site ran a session twice"
    )
    if len(longest) > 1:
        book = next(
            s for n, s in world.sites.items() if len(chains[n]) == len(longest)
        ).replica.core.state.privacy_filter
        part = book.sub_budget("cardiology", "query")
        assert book.spent("cardiology", "query") <= part.allowance


def check_invariants(world):
    """What holds after any history: no fork, no torn chain, nothing ran unpaid or twice, nothing over the allowance."""
    from privacy_accounting.audit.chain_reader import read_chain
    from privacy_accounting.audit.local_journal import check_promises

    chains = {}
    for name, site in world.sites.items():
        chain = read_chain(site.store)
        assert chain.first_bad is None, (name, chain.first_bad, chain.reason)
        findings, _, _ = check_promises(site.store, chain)
        assert findings == [], (name, findings)
        chains[name] = chain
    longest = max(chains.values(), key=lambda chain: len(chain.hashes))
    for name, chain in chains.items():
        assert chain.hashes == longest.hashes[: len(chain.hashes)], f"{name} forked"
    assert len({(site, session) for site, session, _ in world.ran}) == len(world.ran), (
        "a site ran a session twice"
    )
    for site, session, hashed in world.ran:
        number = longest.hashes.index(hashed)
        assert longest.runs[number].session == session.hex()
        assert not longest.state.cancelled(number), f"{site} ran entry {number}, which was given back"
    if longest.hashes:
        part = longest.state.privacy_filter.sub_budget("cardiology", "query")
        paid = sum(
            entry.body.content.cost
            for number, entry in enumerate(world.entries(longest.owner))
            if isinstance(entry.body.content, Charge) and not longest.state.cancelled(number)
        )
        assert longest.state.privacy_filter.spent("cardiology", "query") == paid <= part.allowance


def settle(world):
    """Bring everybody up, then check that the next proposal works and all are equal."""
    world.lost_before, world.lost_after = set(), set()
    for name, site in world.sites.items():
        site.admit, site.store.countdown = admit_all, None
        if not site.up or not site.replica.core.is_usable:
            world.restart(name)
    if world.sequencer.replica is not world.head.replica or world.sequencer.open is not None:
        world.restart(world.sequencer_name)
    if not world.head.store.height():
        result = world.agree(world.genesis.content)
        assert result.entries, result
    result = world.agree(an_exact())
    assert result.entries, result
    assert len({tuple(site.store.entries()) for site in world.sites.values()}) == 1
    assert all(site.replica.in_doubt == () for site in world.sites.values())
    check_invariants(world)


def refuse_all(body):
    raise LedgerRefusedError(reason=f"policy: no {body.kind}")


def propose(world, *contents, cohort=NAMES):
    return world.sequencer.propose([Draft(cohort=cohort, content=content) for content in contents], admit_all)


def consider(world, name, data, admit=admit_all):
    return read_answer(world.sites[name].replica.consider(data, admit))


def forged(world, data, **changes):
    """A proposal changed and signed again by the sequencer's own key: a lying sequencer."""
    return dataclasses.replace(Proposal.from_bytes(data), **changes).signed_by(key_of("ankara")).to_bytes()


def complete_of(body_bytes, signers=NAMES):
    hashed = body_hash(body_bytes)
    signatures = {name: sign_body(key_of(name), hashed) for name in signers}
    return Entry(data=body_bytes, body=Body.from_bytes(body_bytes), signatures=signatures)


def complete_message(entries):
    """The message that tells complete entries to the other sites."""
    return Complete(entries=tuple(entry.to_bytes() for entry in entries)).to_bytes()
