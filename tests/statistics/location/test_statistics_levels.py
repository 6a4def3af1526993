"""Private p-values keep their level: 4,000 releases of each test over rows drawn from the hospitals', without a difference."""

import numpy as np
import pytest
from scipy import stats
from statistic_world import heart_world

from analytics.statistics.comparisons.group_moments import shift_of
from analytics.statistics.life_tables import log_rank_cells
from analytics.statistics.location import anova, t_test
from analytics.statistics.tables import independence

TRIALS = 4000
ASKED = {
    "anova": {"column": "thalach", "by": "cp"},
    "chi_square": {"a": "sex", "b": "age"},
    "goodness_of_fit": {"column": "age"},
    "kruskal_wallis": {"column": "thalach", "by": "cp"},
    "log_rank": {"duration": "age", "event": "disease", "by": "sex"},  # ages stand for times
    "mann_whitney": {"column": "thalach", "by": "disease"},
    "t_test": {"column": "thalach", "by": "disease"},
}


# forms of one test, by the name that the trial has
FORMS = {
    "log_rank weighted": ("log_rank", {"weightings": "wilcoxon"}),
    "log_rank fleming-harrington": ("log_rank", {"weightings": "fleming-harrington", "p": 1, "q": 1}),
    "log_rank stratified": ("log_rank", {"strata": "exang"}),
    "log_rank trend": ("log_rank", {"by": "cp", "trend": True}),
}


@pytest.fixture(scope="module")
def world():
    return heart_world()


def moments(plan, columns, rows):
    """Number, sum and squares of the first column in groups of the second, as a site has them."""
    statistic = plan.statistic
    center, offset = statistic._center, shift_of(statistic._value).offset
    values, groups = rows[columns[0]].to_numpy() - center, rows[columns[1]].to_numpy()
    figures = [[np.ones(len(rows)), values, values**2 - offset][block] for block in range(3)]
    return np.array([np.bincount(groups, each, minlength=len(statistic.labels)) for each in figures])


def counts(plan, columns, rows):
    shape = plan.statistic.shape
    cells = np.zeros(shape)
    np.add.at(cells, tuple(rows[name].to_numpy() for name in columns), 1)
    return cells.ravel()[list(plan.statistic.places)][np.newaxis]


def coded(world, plan):
    """The hospitals' rows as places of their groups; of a column of which moments are asked its values."""
    statistic = plan.statistic
    is_moments = hasattr(statistic, "column")
    keys = [statistic.by] if is_moments else [column for _, column in statistic.keys]
    names = ([statistic.column.name] if is_moments else []) + [column.name for column in keys]
    rows = world.frame[names].dropna().reset_index(drop=True)
    for column in keys:
        if hasattr(column, "bins"):
            rows[column.name] = np.digitize(rows[column.name], [float(edge) for edge in column.bins[1:-1]])
        elif hasattr(column, "domain"):
            rows[column.name] = rows[column.name].map(
                {label: place for place, label in enumerate(column.domain)}
            )
        else:
            rows[column.name] = rows[column.name].astype(int)
    return names, rows, moments if is_moments else counts


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [*ASKED, *FORMS])
@pytest.mark.parametrize("epsilon", ["0.3", "2"])
def test_pvalues_of_4000_releases_keep_their_level(world, name, epsilon, monkeypatch):
    for module in (independence, anova, t_test, log_rank_cells):
        monkeypatch.setattr(module, "REPLICATES", 199)
    name, more = FORMS.get(name, (name, {}))
    arguments = ASKED[name] | more
    if name == "goodness_of_fit":
        ages = np.digitize(world.frame.age, [40, 50, 60])
        arguments["expected"] = [int(n) for n in np.bincount(ages, minlength=4)]
    plan = world.plan(name, epsilon=epsilon, **arguments)
    names, rows, figures = coded(world, plan)
    by = plan.statistic.by.name if hasattr(plan.statistic, "column") else plan.statistic.keys[0][1].name
    by = arguments.get("by", by)
    generator, rejected = np.random.default_rng(21), 0
    for _ in range(TRIALS):
        drawn = rows.iloc[generator.integers(0, len(rows), 500)].copy()
        if name != "goodness_of_fit":
            drawn[by] = generator.permutation(rows[by].to_numpy())[
                :500
            ]  # groups that say nothing of the rest
        opened = []
        for row, law in zip(figures(plan, names, drawn), plan.noise, strict=True):
            opened.append(np.rint((row + law.normal(row.shape, generator)) * law.weight))
        rejected += (
            plan.statistic.estimate((np.concatenate(opened).astype(np.int64),), plan.noise).pvalue <= 0.05
        )
    # not rejected: a level of at most 6 %, so a coverage of at least 94 %, at 1e-6
    assert stats.binomtest(int(rejected), TRIALS, 0.06, alternative="greater").pvalue > 1e-6, rejected
    assert rejected > 0.01 * TRIALS, rejected
