"""Private mining beside PrivBasis in a trusted centre: F1 and relative error of the top 50 and 100 itemsets.

Tables: `thyroid` and `heart_disease` as in the tests; `mushroom-like` (8,124 rows of 23 categorical columns, drawn from six
clusters) and `retail-like` (88,162 baskets of 300 items, Zipf, some of them together) are generated: they have the sizes of the
well-known tables, not their rows. Ours runs over three sites on shares and is told the support of the k-th itemset; PrivBasis
sees all rows in one place, has pure epsilon and is told k. Writes build/bench/private-mining.json and
docs/pictures/private-mining.svg; prints a table (with --json the rows).
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import statistics
from fractions import Fraction
from functools import cache, partial
from itertools import combinations
from pathlib import Path

import numpy as np

from analytics.mining.bitmaps import Bitmaps
from analytics.mining.private.bases import _cliques, _joined
from analytics.mining.private.finish import finish_private
from analytics.mining.private.plan import make_private_plan
from analytics.mining.private.run import mine_privately
from analytics.mining.request import MiningRequest
from analytics.plans.context import PlanContext
from analytics.schema import Schema
from privacy_accounting.noise import SystemSource
from smpc.operations.reveal import blinded_share, recombine, reveal_to_all
from smpc.simulator import party_names, simulate

TARGET, PICTURE = Path("build/bench/private-mining.json"), Path("docs/pictures/private-mining.svg")
ROOT = Path(__file__).resolve().parents[1]
EPSILONS, TOP, SITES, DELTA = ("0.1", "0.5", "1", "2"), (50, 100), 3, Fraction(1, 10**6)
Matrix = np.ndarray
World = tuple[Matrix, list[list[int]], int | None]
Supports = dict[tuple[int, ...], float]
MOST_ITEMS = 5
_NOTED: dict[int, Matrix] = {}


def heart_disease() -> World:
    """The eleven findings of the demo, from the four files."""
    import tomllib

    from tests.mining.test_mining_oracle import DEMO, HEART_ITEMS, opened

    schema = Schema.from_dict(tomllib.loads((DEMO / "schema.toml").read_text()))
    paths = (DEMO / "heart_disease").glob("*.csv")
    return _scanned(schema, HEART_ITEMS, opened(schema, paths, (DEMO / "view.sql").read_text()))


def thyroid() -> World:
    """The 25 findings of the tests."""
    from tests.mining.test_mining_oracle import THYROID, THYROID_ITEMS, THYROID_VIEW, opened

    paths = (ROOT / "tests/data/thyroid").glob("*.csv")
    return _scanned(THYROID, THYROID_ITEMS, opened(THYROID, paths, THYROID_VIEW))


def _scanned(schema, items, sources) -> World:  # type: ignore[no-untyped-def]
    from analytics.mining.bitmaps import local_bitmaps
    from analytics.mining.plan import bind_items

    request = MiningRequest(
        table="patients", items=tuple(items), min_support=Fraction(1, 2), min_confidence=Fraction(1)
    )
    plan = bind_items(request, schema, context())
    parts = []
    for source in sources:
        found = local_bitmaps(plan, source)
        bits = np.unpackbits(found.words.view(np.uint8), axis=1, bitorder="little")
        parts.append(bits[: len(plan.items), : found.n_rows].T.astype(bool))
        source.close()
    return np.vstack(parts), [[n] for n in range(len(plan.items))], None


def mushroom_like() -> World:
    """23 columns of 2 to 8 values, six clusters with a favourite value in each column."""
    generator = np.random.default_rng(8124)
    sizes = generator.integers(2, 9, 23)
    cluster = generator.choice(6, 8124, p=[0.3, 0.22, 0.18, 0.14, 0.1, 0.06])
    columns, groups, start = [], [], 0
    for size in sizes:
        common = generator.integers(size, size=2)
        favourite = np.where(generator.random(6) < 0.75, common[0], generator.integers(size, size=6))
        value = np.where(
            generator.random(8124) < 0.85, favourite[cluster], generator.integers(size, size=8124)
        )
        columns.append(value[:, np.newaxis] == np.arange(size))
        groups.append([*range(start, start + size)])
        start += size
    return np.hstack(columns), groups, None


def retail_like() -> World:
    """Baskets of about ten of 300 items, of which a tenth come in sixteen small groups."""
    generator = np.random.default_rng(88162)
    held = generator.random((88_162, 300)) < np.minimum(0.5, 0.55 / np.arange(1, 301) ** 0.85)
    for number in range(16):
        members = generator.choice(40, 4, replace=False)
        held[:, members] |= (generator.random(88_162) < 0.06 / (1 + number / 4))[:, np.newaxis]
    return held, [[n] for n in range(300)], 20


TABLES = {
    "heart_disease": heart_disease,
    "thyroid": thyroid,
    "mushroom-like": mushroom_like,
    "retail-like": retail_like,
}


def context() -> PlanContext:
    """Three sites, one of them colluding."""
    return PlanContext(n_sites=SITES, colluding=1, relation="add_or_remove_one", delta=DELTA, minimum_cell=10)


@cache
def _top(key: int, most: int) -> dict[tuple[int, ...], int]:
    """As ``top_itemsets``, of a table that was noted under its id."""
    held = _NOTED[key]
    counts = held.sum(axis=0)
    order = [int(item) for item in np.argsort(-counts, kind="stable")[:60]]
    words = np.packbits(held.T, axis=1)
    best: list[tuple[int, tuple[int, ...]]] = []

    def note(itemset: tuple[int, ...], count: int) -> bool:
        if len(best) < most:
            heapq.heappush(best, (count, itemset))
        elif count > best[0][0]:
            heapq.heapreplace(best, (count, itemset))
        return len(best) < most or count >= best[0][0]

    level = [((item,), words[item]) for item in order]
    for _ in range(MOST_ITEMS):
        kept = [
            (itemset, rows) for itemset, rows in level
            if note(tuple(sorted(itemset)), int(np.bitwise_count(rows).sum()))
        ]  # fmt: skip
        place = {item: number for number, item in enumerate(order)}
        level = [
            ((*itemset, item), rows & words[item])
            for itemset, rows in kept
            if int(np.bitwise_count(rows).sum()) >= best[0][0] or len(best) < most
            for item in order[place[itemset[-1]] + 1 :]
        ]
    return {itemset: count for count, itemset in sorted(best, key=lambda one: (-one[0], one[1]))}


def top_itemsets(held: Matrix, most: int) -> dict[tuple[int, ...], int]:
    """The most frequent itemsets of at most five of the 60 most frequent items, level by level with a rising threshold."""
    _NOTED[id(held)] = held
    return _top(id(held), most)


def ours(world: World, least: int, epsilon: str) -> Supports:
    """One run over three sites on shares; supports as counts."""
    held, groups, most = world
    columns: dict[str, object] = {}
    items, numbers = [], []
    for number, group in enumerate(groups):
        name = f"c{number:03}"
        if len(group) == 1:
            columns[name] = {"type": "boolean"}
            items.append(name)
        else:
            columns[name] = {"type": "categorical", "domain": [f"v{place}" for place in range(len(group))]}
            items += [f"{name}=v{place}" for place in range(len(group))]
        numbers += group
    table = {
        "privacy_unit": "row",
        "max_sites_per_unit": 1,
        "rows_max": 100_000,
        "exact_dimensions": [*columns],
        "columns": columns,
    }
    request = MiningRequest(
        table="baskets", items=tuple(items), min_support=Fraction(str(round(least / len(held), 6))),
        min_confidence=Fraction(1), max_len=5, max_items_per_unit=most,
    )  # fmt: skip
    plan = make_private_plan(
        request, Fraction(epsilon), Schema.from_dict({"tables": {"baskets": table}}), context()
    )
    by_name = dict(zip(items, numbers, strict=True))
    order = [by_name[item.name] for item in plan.base.items]
    names = party_names(SITES)
    bitmaps = {name: _bitmaps(held[place::SITES, order]) for place, name in enumerate(names)}

    def joint(session):  # type: ignore[no-untyped-def]
        own = bitmaps[session.names[session.rank]]
        return mine_privately(
            session, plan, own, SystemSource(),
            open_to_all=lambda x: reveal_to_all(session, x), blind=lambda x: blinded_share(session, x),
        )  # fmt: skip

    answer = finish_private(plan, simulate(joint, SITES, prefetch=False).values(), recombine=recombine)
    return {
        tuple(sorted(by_name[name] for name in entry.items)): float(entry.count) for entry in answer.found
    }


def _bitmaps(held: Matrix) -> Bitmaps:
    packed = np.packbits(held.T, axis=1, bitorder="little")
    words = np.zeros((held.shape[1], 8 * -(-len(held) // 64)), dtype=np.uint8)
    words[:, : packed.shape[1]] = packed
    return Bitmaps(n_rows=len(held), words=words.view(np.uint64))


def privbasis(held: Matrix, top: int, generator: np.random.Generator, epsilon: float) -> Supports:
    """PrivBasis over all rows in one place (Li, Qardaji, Su, Cao 2012), eta 1.2, budget 0.1, 0.4, 0.5."""
    counts = held.sum(axis=0).astype(float)
    known = sorted(counts, reverse=True)
    edge = min(top_itemsets(held, math.ceil(1.2 * top)).values())
    # how many items: the one whose count is nearest to that of the last wanted itemset
    quality = -np.abs(np.array(known[: 2 * top]) - edge)
    n_items = 1 + int(np.argmax(quality * 0.1 * epsilon / 2 + generator.gumbel(size=quality.size)))

    def noisiest(values: Matrix, most: int, budget: float) -> list[int]:
        noisy = values * budget / max(most, 1) + generator.gumbel(size=values.size)
        return [int(place) for place in np.argsort(-noisy)[:most]]

    n_pairs = 0 if n_items <= 12 else max(0, math.ceil(1.2 * top) - n_items)
    for_items = 0.4 * epsilon * (n_items / (n_items + n_pairs))
    items = sorted(noisiest(counts, n_items, for_items))
    if not n_pairs:
        bases = [tuple(items)]
    else:
        pairs = [*combinations(items, 2)]
        values = np.array([(held[:, a] & held[:, b]).sum() for a, b in pairs], dtype=float)
        near: dict[int, set[int]] = {item: set() for item in items}
        for place in noisiest(values, min(n_pairs, len(pairs)), 0.4 * epsilon - for_items):
            first, second = pairs[place]
            near[first].add(second)
            near[second].add(first)
        bases = [*_joined([one[:10] for one in _cliques(near)[0]])[0]]
    scale = len(bases) / (0.5 * epsilon)
    best: dict[tuple[int, ...], tuple[float, float]] = {}
    for basis in bases:
        codes = (held[:, list(basis)].astype(np.int64) << np.arange(len(basis))).sum(axis=1)
        cells = np.bincount(codes, minlength=1 << len(basis)) + generator.laplace(0, scale, 1 << len(basis))
        for size in range(1, min(len(basis), 5) + 1):
            for places in combinations(range(len(basis)), size):
                mask = sum(1 << place for place in places)
                every = np.arange(cells.size)
                count = float(cells[(every & mask) == mask].sum())
                itemset, weight = tuple(basis[place] for place in places), 2.0 ** (size - len(basis))
                before = best.get(itemset, (0.0, 0.0))
                best[itemset] = (before[0] + weight * count, before[1] + weight)
    return {itemset: total / weight for itemset, (total, weight) in best.items()}


def scores(true: dict[tuple[int, ...], int], found: Supports) -> tuple[float, float]:
    """F1 of as many itemsets, and the median relative error of those that are right (NaN where none is)."""
    kept = dict(sorted(found.items(), key=lambda one: (-one[1], one[0]))[: len(true)])
    right = [itemset for itemset in kept if itemset in true]
    f1 = 2 * len(right) / (len(kept) + len(true))
    errors = [abs(kept[itemset] - true[itemset]) / true[itemset] for itemset in right]
    return f1, statistics.median(errors) if errors else math.nan


def measured(name: str, runs: int) -> list[dict[str, object]]:
    """All epsilons and tops of one table."""
    world = TABLES[name]()
    generator = np.random.default_rng(17)
    rows: list[dict[str, object]] = []
    for top in TOP:
        true = top_itemsets(world[0], top)
        least = min(true.values())
        centre = partial(privbasis, world[0], top, generator)
        for epsilon in EPSILONS:
            parts = [
                (scores(true, ours(world, least, epsilon)), scores(true, centre(float(epsilon)))) for _ in range(runs)
            ]  # fmt: skip
            rows.append({
                "table": name, "rows": len(world[0]), "items": world[0].shape[1], "asked": top, "epsilon": epsilon,
                **{
                    f"{who} {what}": round(float(np.nanmedian([part[side][kind] for part in parts])), 3)
                    for side, who in enumerate(("ours", "centre"))
                    for kind, what in enumerate(("F1", "error"))
                },
            })  # fmt: skip
    return rows


def drawn(rows: list[dict[str, object]]) -> None:
    """F1 by epsilon, a panel a table."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "private-mining"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(TABLES), figsize=(12, 3.2), sharey=True)
    for axis, name in zip(axes, TABLES, strict=True):
        for top, style in zip(TOP, ("-", "--"), strict=True):
            here = [row for row in rows if row["table"] == name and row["asked"] == top]
            x = [float(str(row["epsilon"])) for row in here]
            axis.plot(x, [row["ours F1"] for row in here], f"C0{style}o", label=f"on shares, top {top}")
            axis.plot(
                x, [row["centre F1"] for row in here], f"C1{style}s", label=f"trusted centre, top {top}"
            )
        axis.set(title=name, xlabel="epsilon", xscale="log", ylim=(0, 1.02))
        axis.set_xticks([0.1, 0.5, 1, 2], ["0.1", "0.5", "1", "2"])
    axes[0].set_ylabel("F1")
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={"Date": None})


def main() -> None:
    """Measure, write, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tables", nargs="*", default=[*TABLES])
    parser.add_argument("--no-picture", action="store_true")
    asked = parser.parse_args()
    rows = [row for name in asked.tables for row in measured(name, asked.runs)]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=1))
    if not asked.no_picture:
        drawn(rows)
    if asked.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(" | ".join(str(value) for value in row.values()))


if __name__ == "__main__":
    main()
