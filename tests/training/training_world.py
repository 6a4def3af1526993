"""A training consortium in one process: real or generated heart records, real keys, entries signed as by a ledger."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from analytics.sources import open_frame
from federation.aggregation.claims import Claims
from federation.aggregation.mask_keys import MaskKeys
from federation.aggregation.open_sum import KeyHolder
from federation.aggregation.opened_sums import OpenedSums
from federation.aggregation.secure_sum import SecureSum
from federation.aggregation.service import AGGREGATE, OPEN, AggregatorService, KeyHolderService
from federation.aggregation.shared_sum import SharedSum
from federation.aggregation.update_cipher import UpdateCipher
from federation.consortium.consortium_file import consortium_from_dict
from federation.network.in_memory import MemoryExchange
from federation.paillier.cipher import Encryptor
from federation.paillier.packing import pack
from federation.protocol.exchange import call
from federation.protocol.messages import Ack
from federation.protocol.request import Request as Asked
from federation.protocol.training_messages import (
    DecryptedSum,
    EncryptedSum,
    SumAsk,
    Update,
    UpdateReceipt,
)
from federation.training.local_update import site_update
from federation.training.rounds.entry_check import EntryCheck, members_of, terms_of
from federation.training.rounds.round_plan import plan_run
from federation.training.running.coordinator import Coordinator, Hooks
from federation.training.running.run_state import RunState
from federation.training.site_worker import Helpers, SiteTrainer
from federation.training.task import TrainingTask
from privacy_accounting.errors import BudgetExceededError, LedgerRefusedError
from privacy_accounting.ledger.budgets import event_text
from privacy_accounting.ledger.contents import Charge, Exact, Request
from privacy_accounting.ledger.entries import Body, Entry, body_hash, public_hex, sign_body
from privacy_accounting.ledger.session_id import session_id_of_entry
from privacy_accounting.noise import SystemSource

HEART = Path(__file__).parents[2] / "federation" / "demo" / "data"
FEATURES = ("age", "sex", "cp", "trestbps", "chol", "fbs", "ecg_abnormal", "thalach", "exang", "oldpeak")
SITES = ("cleveland", "hungary", "switzerland", "va_long_beach")
ANALYST = "ada"


def key_of(name):
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def _member(name, place):
    return {
        "address": f"memory:{place}",
        "fingerprint": hashlib.sha256(name.encode()).hexdigest(),
        "public_key": public_hex(key_of(name)),
    }


def a_consortium(tables, sites, *, colluding=1, relation="add_or_remove_one", epsilon="4"):
    populations = {table.get("population", name) for name, table in tables.items()}
    return consortium_from_dict(
        {
            "version": 1,
            "name": "test",
            "authority": "memory",
            "relation": relation,
            "colluding": colluding,
            "delta": "0.000001",
            "sequencer": sites[0],
            "sites": {site: _member(site, place + 1) for place, site in enumerate(sites)},
            "analysts": {ANALYST: {k: v for k, v in _member(ANALYST, 99).items() if k != "address"}},
            "budgets": {p: {"epsilon": epsilon, "training": {"share": 1}} for p in populations},
            "tables": tables,
        },
        authority_pem=b"",
    )


_kept = {}


def _read(frame, table):
    """The rows of a site; tests only read them, so equal ones are read once and stay."""
    key = (frame.to_json(), tuple(map(str, frame.dtypes)), repr(table))
    if key not in _kept:
        _kept[key] = open_frame(frame, table, site_key=b"k" * 32)
    return _kept[key]


class World:
    """Sites, both helpers and a purse in place of the ledger: it signs what it is asked to, until it is empty."""

    def __init__(self, consortium, frames, key, folder, *, deadline_s=5.0):
        self.consortium, self.key, self.public = consortium, key, key.public
        self.sites = consortium.names
        self.exchange, self.folder = MemoryExchange(timeout_s=2.0), folder
        self.helpers = Helpers(aggregator="aggregator", keyholder="keyholder", deadline_s=deadline_s)
        self.encryptor = Encryptor(key.public)
        self.answers = Claims(folder / "answers.sqlite")
        self.opened = OpenedSums(folder / "sums.sqlite")
        self.sources = {
            site: {name: _read(frames[site], table) for name, table in consortium.schema.tables.items()}
            for site in self.sites
        }
        self.sum_network = self.exchange.network("aggregator", "aggregator")
        self.aggregator = AggregatorService(
            name="aggregator",
            network=self.sum_network,
            agree=self.agreement("aggregator"),
            secure_sum=SecureSum(self.public),
            keyholder="keyholder",
            deadline_s=deadline_s,
        )
        self.aggregator.serve()
        self.key_network = self.exchange.network("keyholder", "keyholder")
        self.holder = KeyHolderService(
            name="keyholder",
            network=self.key_network,
            agree=self.agreement("keyholder"),
            holder=KeyHolder(key, self.answers),
            opened=self.opened,
            aggregator="aggregator",
            deadline_s=deadline_s,
        )
        self.holder.serve()
        self.noted = {site: [] for site in self.sites}
        self.trainers, self.networks = {}, {}
        for site in self.sites:
            self.networks[site] = self.exchange.network(site, "site")
            self.trainers[site] = self.trainer(site)
            self.trainers[site].serve()
        self.network = self.exchange.network(ANALYST, "analyst")
        self.number, self.purse = 0, None
        self.charged = []
        self.lock = threading.Lock()

    def restart_key_holder(self):
        """A new process over the same folder: nothing is left but the files."""
        self.answers.close()
        self.opened.close()
        self.answers, self.opened = (
            Claims(self.folder / "answers.sqlite"),
            OpenedSums(self.folder / "sums.sqlite"),
        )
        self.exchange.forget("keyholder")
        self.key_network = self.exchange.network("keyholder", "keyholder")
        self.holder = KeyHolderService(
            name="keyholder",
            network=self.key_network,
            agree=self.agreement("keyholder"),
            holder=KeyHolder(self.key, self.answers),
            opened=self.opened,
            aggregator="aggregator",
            deadline_s=self.helpers.deadline_s,
        )
        self.holder.serve()

    def restart_aggregator(self):
        """A new process: it has no state on the disk."""
        self.exchange.forget("aggregator")
        self.sum_network = self.exchange.network("aggregator", "aggregator")
        self.aggregator = AggregatorService(
            name="aggregator",
            network=self.sum_network,
            agree=self.agreement("aggregator"),
            secure_sum=SecureSum(self.public),
            keyholder="keyholder",
            deadline_s=self.helpers.deadline_s,
        )
        self.aggregator.serve()

    def restart_site(self, site):
        """A new process: its ledger notes stay, all else is gone."""
        self.exchange.forget(site)
        self.networks[site] = self.exchange.network(site, "site")
        self.trainers[site] = self.trainer(site)
        self.trainers[site].serve()

    def agreement(self, party):
        return EntryCheck(
            party=party,
            consortium=self.consortium,
            key=self.public,
            members=lambda entry: members_of(self.consortium, entry),
        )

    def trainer(self, site):
        return SiteTrainer(
            site=site,
            network=self.networks[site],
            agreement=self.agreement(site),
            source_of=lambda table: self.sources[site][table],
            cipher=UpdateCipher(self.encryptor, self.mask_keys(site)),
            shares=self.shared_sum(site),
            note=lambda entry: self.note(site, entry),
            helpers=self.helpers,
            local_limit_s=20.0,
        )

    def shared_sum(self, site):
        return SharedSum(
            site=site,
            network=self.networks[site],
            store=lambda: OpenedSums(self.folder / f"{site}.sqlite"),
            deadline_s=self.helpers.deadline_s,
        )

    def mask_keys(self, site):
        return MaskKeys(
            site=site,
            network=self.networks[site],
            configuration=self.consortium.digest(),
            deadline_s=self.helpers.deadline_s,
        )

    def note(self, site, entry):
        session = session_id_of_entry(entry.body)
        if session in self.noted[site]:
            raise LedgerRefusedError(reason="this session was started before")
        self.noted[site].append(session)

    def close(self):
        for name in ("aggregator", "keyholder", ANALYST, *self.sites):
            self.exchange.forget(name)
        for trainer in self.trainers.values():
            trainer.close()
        self.answers.close()
        self.opened.close()

    def terms(self, table):
        return terms_of(self.consortium, table, self.public)

    def request(self, task, nonce=1):
        return Asked(
            kind="train",
            mode=task.mode,
            epsilon=task.epsilon,
            analyst=ANALYST,
            purpose=task.purpose,
            nonce=f"{nonce:032x}",
            configuration=self.consortium.digest(),
            plan=self.plan(task).digest(),
            question=task.question(),
        ).to_bytes()

    def plan(self, task):
        return plan_run(task, self.consortium.schema, self.terms(task.table))

    def body(self, task, request, planned, **changes):
        attempt, asked = planned.manifest.attempt, Asked.from_bytes(request)
        self.number += 1
        named = {
            "population": self.consortium.schema.table(task.table).population,
            "analyst": ANALYST,
            "purpose": task.purpose,
            "request": asked.digest(),
            "nonce": asked.nonce,
            "request_signature": "cd" * 64,
            "run": attempt.run,
            "round": attempt.round_number,
            "attempt": attempt.attempt,
        }
        asked_part = Request(**(named | changes.pop("asked", {})))
        if planned.event is None:
            content = Exact(asked=asked_part, receivers=self.plan(task).receivers(ANALYST))
        else:
            fields = {
                "sub_budget": "training",
                "events": (event_text(planned.event),),
                "order": Fraction(8),
                "cost": 1,
                "cost_all_but_one": 2,
                "pure_epsilon": 2**62,
            }
            content = Charge(asked=asked_part, **(fields | changes.pop("charge", {})))
        header = {
            "chain": self.consortium.digest(),
            "number": self.number,
            "previous": "00" * 32,
            "time": 1,
            "cohort": planned.manifest.cohort,
            "content": content,
        }
        return Body(**(header | changes))

    def sign(self, body, signers=None):
        data = body.to_bytes()
        signers = {*body.cohort, self.consortium.file.sequencer} if signers is None else signers
        return Entry(
            data=data, body=body, signatures={n: sign_body(key_of(n), body_hash(data)) for n in signers}
        ).to_bytes()

    def charge(self, task, request, planned):
        if self.purse is not None:
            if self.purse == 0:
                raise BudgetExceededError(
                    requested=1, spent=1, remaining=0, population="p", sub_budget="training"
                )
            self.purse -= 1
        entry = self.sign(self.body(task, request, planned))
        self.charged.append(entry)
        return entry

    def driver(
        self, task, *, nonce=1, charge=None, on_progress=None, cohort=None, start_s=5.0, run=None, **hooks
    ):
        request = self.request(task, nonce)
        plan = self.plan(task)
        run = run or RunState(plan, Asked.from_bytes(request).digest(), cohort or self.sites)
        hooks |= {} if on_progress is None else {"on_progress": on_progress}
        charge = charge or (lambda planned: self.charge(task, request, planned))
        return Coordinator(
            network=self.network,
            helpers=self.helpers,
            run=run,
            request=request,
            charge=charge,
            start_s=start_s,
            hooks=Hooks(**hooks),
        )

    def train(self, task, *, on_progress=None):
        """The port that ``fit`` needs."""
        self.nonce = getattr(self, "nonce", 0) + 1
        return self.driver(task, nonce=self.nonce, on_progress=on_progress).go()

    # ---- one attempt by hand, for attacks over the wire

    def attempt(self, task, *, round_number=0, attempt=0, cohort=None, nonce=1, **changes):
        request = self.request(task, nonce)
        digest = Asked.from_bytes(request).digest()
        planned = self.plan(task).attempt(
            run=digest, round_number=round_number, attempt=attempt, cohort=cohort or self.sites
        )
        return Hand(self, request, self.sign(self.body(task, request, planned, **changes)), planned)

    def pooled(self, plan):
        names = [*(feature.name for feature in plan.encoding.features), plan.encoding.target]
        parts = [
            plan.encoding.cases(self.sources[s][plan.table.name].complete_cases(names)) for s in self.sites
        ]
        return np.vstack([p.matrix for p in parts]), np.concatenate([p.target for p in parts]), parts


class Hand:
    """An attempt whose messages a test writes itself."""

    def __init__(self, world, request, entry, planned):
        self.world, self.request, self.entry, self.planned = world, request, entry, planned
        self.manifest = planned.manifest
        self.layout = planned.manifest.layout

    def ciphertexts(self, value, *, encryptor=None):
        plaintexts = pack(np.full(self.layout.length, value, np.int64), self.layout, site="test")
        return (encryptor or self.world.encryptor).encrypt(plaintexts)

    def update(self, value=1, **changes):
        fields = {
            "request": self.request,
            "entry": self.entry,
            "manifest": self.manifest.digest(),
            "key": self.world.public.fingerprint,
            "mask_tags": {},
        }
        return Update(
            **(
                fields
                | {"ciphertexts": changes.pop("ciphertexts", None) or self.ciphertexts(value)}
                | changes
            )
        )

    def send(self, site, value=1, **changes):
        return self.post(site, self.update(value, **changes))

    def post(self, site, update):
        """Send an update as a site; what a test writes by hand lies under no masks, and all tags agree."""
        tags = dict.fromkeys(set(self.manifest.cohort) - {site}, "none")
        update = msgspec.structs.replace(update, mask_tags=tags)
        return call(self.world.networks[site], "aggregator", AGGREGATE, update, UpdateReceipt, timeout_s=5)

    def total(self, sender=None, **changes):
        """A sum straight to the key holder, as a malicious aggregator would send it."""
        update = self.update(**changes)
        total = EncryptedSum(
            request=update.request,
            entry=update.entry,
            manifest=update.manifest,
            key=update.key,
            ciphertexts=update.ciphertexts,
        )
        return call(sender or self.world.sum_network, "keyholder", OPEN, total, Ack, timeout_s=5)

    def ask(self, network=None, wait_ms=0):
        attempt = self.manifest.attempt
        ask = SumAsk(
            run=attempt.run, round_number=attempt.round_number, attempt=attempt.attempt, wait_ms=wait_ms
        )
        opened = call(network or self.world.network, "keyholder", OPEN, ask, DecryptedSum, timeout_s=5)
        return np.frombuffer(opened.values, "<i8").tolist()

    def all_in(self, values):
        for site, value in zip(self.manifest.cohort, values, strict=True):
            self.send(site, value)


def task_of(**changes):
    fields = {
        "table": "patients",
        "features": FEATURES,
        "target": "disease",
        "epsilon": 2,
        "rounds": 40,
        "expected_units": 800,
    }
    return TrainingTask(**(fields | changes))


def state_at(plan, theta):
    """The public model at a point."""
    return replace(plan.start(), parameters=tuple(round(float(value) * 2**32) for value in theta))


def auc(target, score):
    ranks = pd.Series(np.asarray(score)).rank().to_numpy()
    positive = np.asarray(target).astype(bool)
    n_positive, n_negative = positive.sum(), (~positive).sum()
    return (ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


MADE_TABLES = {
    "patients": {
        "privacy_unit": "row",
        "rows_max": 1000,
        "max_sites_per_unit": 1,
        "columns": {
            "x": {"type": "numeric", "lower": -2, "upper": 2, "resolution": "0.01", "nullable": True},
            "k": {"type": "categorical", "domain": ["a", "b", "c"], "nullable": True},
            "b": {"type": "boolean", "nullable": True},
            "y": {"type": "boolean", "nullable": True},
        },
    }
}


def made_frame(n, seed, *, target=None):
    """Plain arithmetic in place of a generator: the same rows everywhere."""
    places = np.arange(n)
    x = np.sin(places * 12.9898 + seed) * 2
    y = (x + np.cos(places * 78.233 + seed) > 0) if target is None else np.full(n, target)
    return pd.DataFrame(
        {
            "x": x,
            "k": [("a", "b", "c")[i % 3] for i in places],
            "b": pd.array([bool(i % 2) for i in places], "boolean"),
            "y": pd.array(list(map(bool, y)), "boolean"),
        }
    )


def added_up(world, task, noise=None):
    """A run whose sums are added up in the clear: the same integers as over the wire, much faster."""
    plan = world.plan(task)
    names = [*(feature.name for feature in plan.encoding.features), plan.encoding.target]
    cases = [
        plan.encoding.cases(world.sources[s][plan.table.name].complete_cases(names)) for s in world.sites
    ]
    state, kept = plan.start(), [None] * len(cases)
    planned = plan.attempt(run="r", round_number=0, attempt=0, cohort=world.sites)
    for _ in range(task.rounds):
        total = np.zeros(plan.length, np.int64)
        for place, own in enumerate(cases):
            update, kept[place] = site_update(plan, planned, own, state, noise or SystemSource(), kept[place])
            total += update
        state = plan.next(state, total.tolist())
    matrix, target = np.vstack([c.matrix for c in cases]), np.concatenate([c.target for c in cases])
    return plan, state, matrix, target
