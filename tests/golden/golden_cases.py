"""A fixed set of queries, mining runs and training rounds, and all bytes derived from them."""

from __future__ import annotations

import hashlib
import json
import tomllib
from fractions import Fraction
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.consortium.consortium_file import consortium_from_dict
from federation.consortium.genesis import genesis_body
from federation.errors import PolicyRefusedError
from federation.protocol import codec, messages, training_messages
from federation.protocol.error_codes import to_wire
from federation.protocol.request import REQUEST_TAG, Request
from federation.requests.kinds.registry import KINDS
from federation.requests.ledger_content import content_of
from federation.requests.planning import NO_PLAN, new_request, plan_request
from federation.training.rounds.round_plan import Terms, plan_run
from federation.training.task import TrainingTask
from privacy_accounting.events import event_to_dict
from privacy_accounting.ledger.entries import Body, Entry, body_hash, public_hex, sign_body
from privacy_accounting.ledger.messages import Complete, Proposal, Refused, Signed, Waiting, Withdrawal
from privacy_accounting.ledger.replication.entry_validation import describe
from privacy_accounting.ledger.session_id import session_id_of_entry
from privacy_accounting.ledger.state import ChainState

SITES = ("anna", "bert", "cora", "dora")
ANALYST = "ada"
SCHEMA = tomllib.loads(
    (Path(__file__).resolve().parents[2] / "federation" / "demo" / "data" / "schema.toml").read_text("utf-8")
)
QUERIES = {
    "count": ("SELECT COUNT(*) AS n FROM patients", Fraction(1, 2)),
    "groups": ("SELECT sex, COUNT(*) AS n, AVG(age) AS m FROM patients GROUP BY sex", Fraction(1, 2)),
    "moments": (
        "SELECT AVG(thalach) AS m, STDDEV(thalach) AS s, VAR_POP(oldpeak) AS v FROM patients",
        Fraction(1),
    ),
    "case": (
        "SELECT SUM(CASE WHEN age > 60 AND disease THEN 1 ELSE 0 END) AS n FROM patients",
        Fraction(1, 4),
    ),
    "exact groups": ("SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex", None),
    "exact mean": ("SELECT disease, AVG(age) AS m FROM patients GROUP BY disease", None),
}
MINING = {
    "table": "patients",
    "items": ["sex=F", "sex=M", "disease", "exang"],
    "min_support": "0.2",
    "min_confidence": "0.6",
    "max_len": 2,
}


def key_of(name):
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def member(name, place):
    return {
        "address": f"memory:{place}",
        "fingerprint": hashlib.sha256(name.encode()).hexdigest(),
        "public_key": public_hex(key_of(name)),
    }


def a_consortium():
    analyst = {key: value for key, value in member(ANALYST, 99).items() if key != "address"}
    return consortium_from_dict(
        {
            "version": 1,
            "name": "golden",
            "authority": "memory",
            "relation": "add_or_remove_one",
            "colluding": 1,
            "delta": "0.000001",
            "minimum_cell": 10,
            "sequencer": "anna",
            "sites": {site: member(site, place + 1) for place, site in enumerate(SITES)},
            "dealer": {"name": "dealer", **member("dealer", 50)},
            "analysts": {ANALYST: analyst},
            "budgets": {
                "cardiology": {
                    "epsilon": "8",
                    "query": {"share": "0.5"},
                    "mining": {"share": "0.25"},
                    "training": {"share": "0.25"},
                }
            },
            "tables": SCHEMA["tables"],
        },
        authority_pem=b"",
    )


def request_of(consortium, *, kind, mode, epsilon, question, nonce, purpose="analysis", plan=None):
    request = Request(
        kind=kind,
        mode=mode,
        epsilon=epsilon,
        analyst=ANALYST,
        purpose=purpose,
        nonce=f"{nonce:032x}",
        configuration=consortium.digest(),
        plan=plan or NO_PLAN,
        question=question,
    )
    return request if plan else new_request(KINDS[kind](), request, consortium).request


def plain(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def signed_entry(body):
    data = body.to_bytes()
    return Entry(
        data=data, body=body, signatures={name: sign_body(key_of(name), body_hash(data)) for name in SITES}
    )


def golden():
    """Name to bytes, in order."""
    consortium = a_consortium()
    genesis = signed_entry(genesis_body(consortium))
    found = {"consortium digest": consortium.digest().encode(), "genesis entry": genesis.to_bytes()}
    state = ChainState()
    state.apply(genesis)
    previous, number = genesis, 1
    asked = [
        (
            name,
            request_of(
                consortium,
                kind="query",
                mode="exact" if epsilon is None else "private",
                epsilon=epsilon,
                question={"sql": sql},
                nonce=place,
            ),
        )
        for place, (name, (sql, epsilon)) in enumerate(QUERIES.items(), 1)
    ]
    asked.append(
        ("mining", request_of(consortium, kind="mine", mode="exact", epsilon=None, question=MINING, nonce=90))
    )
    for name, request in asked:
        data = request.to_bytes()
        planned = plan_request(data, consortium)
        signature = key_of(ANALYST).sign(REQUEST_TAG + data)
        content = content_of(planned, signature, state.privacy_filter)
        body = Body(
            chain=consortium.digest(),
            number=number,
            previous=previous.hash.hex(),
            time=1_700_000_000 + number,
            cohort=consortium.names,
            content=content,
        )
        entry = signed_entry(body)
        found |= {
            f"{name}: request": data,
            f"{name}: request hash": planned.digest.encode(),
            f"{name}: request signature": signature,
            f"{name}: plan": planned.work.digest().encode(),
            f"{name}: entry": entry.to_bytes(),
            f"{name}: session id": session_id_of_entry(body),
            f"{name}: ask": codec.encode(messages.Ask(request=data, signature=signature)),
            f"{name}: charged": codec.encode(messages.Charged(entry=entry.to_bytes())),
            f"{name}: run": codec.encode(
                messages.RunRequest(ask=messages.Ask(request=data, signature=signature), sequencer="anna")
            ),
        }
        previous, number = entry, number + 1
    found |= ledger_messages(consortium, previous)
    found |= control_messages()
    found |= training(consortium)
    found |= named_noise(consortium)
    return found


def named_noise(consortium):
    """Requests that name their noise, beside the chain: the optional field, the plan and its events."""
    found = {}
    for place, mechanism in enumerate(("auto", "gaussian", "laplace"), 200):
        asked = Request(
            kind="query",
            mode="private",
            epsilon=Fraction(1),
            analyst=ANALYST,
            purpose="analysis",
            nonce=f"{place:032x}",
            configuration=consortium.digest(),
            plan=NO_PLAN,
            question={"sql": QUERIES["groups"][0]},
            mechanism=mechanism,
        )
        planned = new_request(KINDS["query"](), asked, consortium)
        events = [event_to_dict(event) for event in planned.work.events]
        found |= {f"{mechanism}: request": planned.data, f"{mechanism}: events": plain(events)}
    return found


def ledger_messages(consortium, entry):
    header = {"chain": consortium.digest(), "number": entry.body.number, "ballot": 3, "sender": "bert"}
    proposal = Proposal(**header, bodies=(entry.data,)).signed_by(key_of("bert"))
    refusal = describe(PolicyRefusedError(site="bert", rule="largest_epsilon: at most 1"), 0)
    named = {**header, "proposal": proposal.digest}
    all_of = {
        "proposal": proposal,
        "signed": Signed(**named, signatures=("ab" * 64,)).signed_by(key_of("bert")),
        "refused": Refused(**named, refusals=(refusal,)).signed_by(key_of("bert")),
        "waiting": Waiting(**named, head=4, highest_ballot=2).signed_by(key_of("bert")),
        "withdrawal": Withdrawal(**named, reason="a site is lost").signed_by(key_of("bert")),
        "complete": Complete(entries=(entry.to_bytes(),)),
    }
    return {f"ledger message: {name}": message.to_bytes() for name, message in all_of.items()}


def control_messages():
    code, fields = to_wire(PolicyRefusedError(site="bert", rule="largest_epsilon: at most 1"), site="bert")
    all_of = [
        messages.Accepted(sequencer="anna"),
        messages.Failed(code=code, fields=fields),
        messages.Withdraw(),
        messages.Share(
            values=b"12345678", rounds=2, bytes_sent=96, engine="crypten", cost={"exact_before": "3"}
        ),
        messages.Ack(),
        messages.LedgerSince(number=4),
        messages.Deal(session_id=b"s" * 32, request_hash=b"r" * 32, parties=list(SITES)),
        training_messages.Update(
            request=b"r",
            entry=b"e",
            manifest="ab" * 32,
            key="cd" * 32,
            ciphertexts=b"c",
            mask_tags={"bert": "ef" * 16},
        ),
        training_messages.MaskKey(public=b"p" * 32),
        training_messages.DecryptedSum(manifest="ab" * 32, values=b"12345678"),
        training_messages.SumAsk(run="ab" * 32, round_number=1, attempt=0, wait_ms=50),
    ]
    return {f"message: {codec.name_on_wire(type(message))}": codec.encode(message) for message in all_of}


def training(consortium):
    task = TrainingTask(
        table="patients", features=["age", "sex"], target="disease", rounds=3, epsilon=1, purpose="research"
    )
    terms = Terms(
        sites=SITES,
        colluding=1,
        delta=Fraction(1, 4_000_000),
        relation=consortium.file.relation,
        key_bits=2048,
        key_fingerprint="ef" * 32,
    )
    plan = plan_run(task, consortium.schema, terms)
    request = request_of(
        consortium,
        kind="train",
        mode=task.mode,
        epsilon=task.epsilon,
        question=task.question(),
        nonce=7,
        purpose=task.purpose,
        plan=plan.digest(),
    )
    first = plan.attempt(run=request.digest(), round_number=0, attempt=0, cohort=SITES)
    return {
        "training: request": request.to_bytes(),
        "training: manifest": first.manifest.digest().encode(),
        "training: noise": str(first.sigma2_local).encode(),
        "training: clamp": str(first.clamp).encode(),
    }
