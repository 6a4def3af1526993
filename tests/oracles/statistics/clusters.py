"""Reference values of k-means over tables, from scikit-learn; writes clusters.json beside this file.

Run in an environment that has it: ``python tests/oracles/statistics/clusters.py``. The tables are random, with a stated seed.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.cluster import KMeans


def table(seed, columns, k):
    """Cells of a grid between 0 and 1, whole counts, and starts."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(5, 9, columns)
    axes = np.meshgrid(*((np.arange(size) + 0.5) / size for size in sizes), indexing="ij")
    points = np.stack([axis.ravel() for axis in axes], axis=1)
    middles = generator.uniform(0.1, 0.9, (k, columns))
    apart = ((points[:, None] - middles) ** 2).sum(axis=2).min(axis=1)
    counts = np.rint(200 * np.exp(-40 * apart)) + generator.integers(0, 4, len(points))
    start = generator.uniform(0, 1, (k, columns))
    fit = KMeans(k, init=start, n_init=1, algorithm="lloyd", tol=0, max_iter=100).fit(
        points, sample_weight=counts
    )
    return {
        "points": points.tolist(),
        "counts": counts.tolist(),
        "start": start.tolist(),
        "cluster_centers_": fit.cluster_centers_.tolist(),
        "inertia_": float(fit.inertia_),
        "n_iter_": int(fit.n_iter_),
    }


def main():
    tables = [table(seed, columns, k) for seed, (columns, k) in enumerate([(1, 2), (2, 3), (2, 5), (3, 4)])]
    text = json.dumps({"versions": {"scikit-learn": sklearn.__version__}, "tables": tables})
    Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
