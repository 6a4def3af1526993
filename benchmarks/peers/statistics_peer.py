"""The statistics packages of one machine over all rows together: tableone, in an environment of its own.

    .venv-oracles/bin/python benchmarks/peers/statistics_peer.py ROWS

prints JSON: the seconds of Table 1 over three times so many rows, with tests and differences.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
import tableone

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.statistics.people import FLAGS, KINDS, SITES, study


def main() -> None:
    """Measure and print."""
    warnings.filterwarnings("ignore")
    count = int(sys.argv[1])
    frame = pd.concat([study(place, count) for place in range(len(SITES))], ignore_index=True)
    columns = [name for name in frame.columns if name != "arm"]
    words = [*(f"f{place}" for place in range(FLAGS)), *(f"c{place}" for place in range(KINDS))]
    started = time.perf_counter()
    tableone.TableOne(frame, columns=columns, categorical=words, groupby="arm", pval=True, smd=True)
    print(json.dumps({"table_one": time.perf_counter() - started, "tableone": tableone.__version__}))


if __name__ == "__main__":
    main()
