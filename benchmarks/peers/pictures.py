"""The two pictures of docs/pictures, from what the benchmarks wrote: against peers, and how the cost grows.

Runs in the peers' environment (tools/peers.sh), which has matplotlib.
"""

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, MaxNLocator

BENCH, DOCS = Path("build/bench"), Path("docs/pictures")
WORKS = {
    "compare64_100000": "100,000 comparisons, 64 bits",
    "compare64_1000": "1,000 comparisons",
    "compare64_10": "10 comparisons",
    "threshold_1000": "1,000 counters, open the frequent",
    "multiply_1000000": "1,000,000 products",
    "matmul_500": "500 x 500 matrix product",
    "xtx_secret": "X'X, 10,000 x 20 secret rows",
    "sort_10000": "sort of 10,000",
    "logistic_secret": "logistic regression, 1,000 x 30, 10 steps",
}
BARS = {
    "Crossward, 2 parties and a dealer, TLS": ("#1b4965", ""),
    "CrypTen, 2 parties, same channels": ("#f4a259", "//"),
    "SPU SEMI2K, 2 parties, plain links": ("#8cb369", ".."),
    "SPU ABY3, 3 parties, plain links": ("#c9cba3", "xx"),
}
PLAIN = FuncFormatter(lambda value, _: f"{value:,.10g}")
mpl.rcParams |= {
    "svg.hashsalt": "crossward",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def plain(value):
    """Three digits, no exponent."""
    return f"{float(f'{value:.3g}'):,.10g}"


def read(name):
    return json.loads((BENCH / name).read_text())


def seconds():
    """Seconds by bar and work."""
    ours, peers = read("smpc.json"), read("peers.json")
    two = {row["work"]: row for row in ours if row["parties"] == 2}
    found = {bar: {} for bar in BARS}
    first, second, third, fourth = BARS
    for work, row in two.items():
        found[first][work] = row["seconds"]
        if row["peer_seconds"] is not None:
            found[second][work] = row["peer_seconds"]
    for row in peers:
        found[third if row["peer"] == "SPU SEMI2K" else fourth][row["work"]] = row["seconds"]
    return found


def against_peers():
    figure, axes = plt.subplots(figsize=(7.5, 6.8), layout="constrained")
    found, height = seconds(), 0.2
    for place, (bar, (color, hatch)) in enumerate(BARS.items()):
        for row, work in enumerate(WORKS):
            if work not in found[bar]:
                continue
            value, y = 1000 * found[bar][work], row + (place - 1.5) * height
            label = bar if work == "compare64_1000" else None
            axes.barh(y, value, height * 0.9, color=color, hatch=hatch, edgecolor="white", label=label)
            axes.text(value * 1.06, y, plain(value), va="center", fontsize=7)
    axes.set_yticks(range(len(WORKS)), WORKS.values())
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(PLAIN)
    axes.set_xlabel("milliseconds, slowest party, warm, 10th percentile; logarithmic")
    figure.suptitle("The same work on the same idle machine, within the hour", x=0.01, ha="left", fontsize=11)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    trust = (
        "Trust differs: Crossward any n-1 parties, and a non-colluding dealer; CrypTen and SEMI2K as configured "
        "by default\nlet the first party know the triples; ABY3 needs an honest majority of exactly three."
    )
    axes.set_title(trust, fontsize=6.5, x=-0.55, ha="left")
    figure.savefig(DOCS / "against-peers.svg", metadata={"Date": None})


def growth():
    rows = read("growth.json")
    figure, all_axes = plt.subplots(2, 3, figsize=(7.5, 4.2), layout="constrained", sharey="row")
    titles = {"rows": "rows of each site", "groups": "groups in the answer", "sites": "sites"}
    for column, (vary, title) in enumerate(titles.items()):
        chosen = [row for row in rows if row["vary"] == vary]
        x = [row[vary] for row in chosen]
        for line, (figure_of, name) in enumerate((("rounds", "rounds"), ("bytes", "bytes to each peer"))):
            axes = all_axes[line][column]
            axes.plot(x, [row[figure_of] for row in chosen], marker="o", color="#1b4965", markersize=4)
            if vary == "sites":
                axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            else:
                axes.set_xscale("log", base=10 if vary == "rows" else 2)
            if vary == "groups":
                axes.xaxis.set_major_formatter(PLAIN)
            if figure_of == "bytes":
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(PLAIN)
                axes.set_xlabel(title)
            else:
                axes.set_ylim(0, 8)
            if column == 0:
                axes.set_ylabel(name)
    figure.suptitle(
        "A guarded count and mean by group: what sites send each other (where fixed: 10^6 rows, 8 groups, 3 sites)",
        fontsize=9,
        x=0.01,
        ha="left",
    )
    figure.savefig(DOCS / "growth.svg", metadata={"Date": None})


if __name__ == "__main__":
    DOCS.mkdir(parents=True, exist_ok=True)
    growth()
    against_peers()
