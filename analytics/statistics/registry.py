"""The registry of statistics that are asked by name, each in one line.

Layer:       analytics.statistics, the highest.
Guarantees:  nothing else in the product lists them, or asks which one it has. A process loads only those that it uses.
See instead: the aggregates of SQL (aggregates).
Source:      ours.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from analytics.statistics.base import AnyStatistic

# one line each: its name, and its class under analytics.statistics
_STATISTICS: Final[dict[str, str | type[AnyStatistic]]] = {
    "anova": "location.anova.Anova",
    "brier": "diagnostics.brier.Brier",
    "calibration": "diagnostics.calibration.Calibration",
    "chi_square": "tables.chi_square.ChiSquare",
    "cochran_armitage": "tables.cochran_armitage.CochranArmitage",
    "cohens_kappa": "tables.cohens_kappa.CohensKappa",
    "comorbidity": "association.comorbidity.Comorbidity",
    "correlation": "association.correlation.Correlation",
    "cox": "survival.cox.Cox",
    "crosstab": "tables.crosstab.Crosstab",
    "cumulative_incidence": "survival.cumulative_incidence.CumulativeIncidence",
    "cube": "tables.cube.Cube",
    "describe": "profiles.describe.Describe",
    "diagnostic_accuracy": "diagnostics.diagnostic_accuracy.DiagnosticAccuracy",
    "elastic_net": "regression.elastic_net.ElasticNet",
    "fisher_exact": "tables.fisher_exact.FisherExact",
    "friedman": "location.friedman.Friedman",
    "g_computation": "causal.g_computation.GComputation",
    "g_test": "tables.g_test.GTest",
    "glm": "regression.glm.Glm",
    "goodness_of_fit": "tables.goodness_of_fit.GoodnessOfFit",
    "icc": "association.icc.Icc",
    "incidence_rate": "epidemiology.incidence_rate.IncidenceRate",
    "jarque_bera": "location.jarque_bera.JarqueBera",
    "kaplan_meier": "survival.kaplan_meier.KaplanMeier",
    "kendall": "association.kendall.Kendall",
    "kmeans": "structure.kmeans.KMeans",
    "kruskal_wallis": "location.kruskal_wallis.KruskalWallis",
    "ks_test": "location.ks_test.KsTest",
    "lasso": "regression.lasso.Lasso",
    "levene": "location.levene.Levene",
    "log_rank": "survival.log_rank.LogRank",
    "mann_whitney": "location.mann_whitney.MannWhitney",
    "mantel_haenszel": "epidemiology.mantel_haenszel.MantelHaenszel",
    "mcnemar": "tables.mcnemar.McNemar",
    "meta_analysis": "epidemiology.meta_analysis.MetaAnalysis",
    "mnlogit": "regression.mnlogit.MnLogit",
    "mrmr": "structure.mrmr.Mrmr",
    "mutual_information": "association.mutual_information.MutualInformation",
    "net_benefit": "diagnostics.net_benefit.NetBenefit",
    "ols": "regression.ols.Ols",
    "partial_correlation": "association.partial_correlation.PartialCorrelation",
    "pca": "structure.pca.Pca",
    "policy_value": "causal.policy_value.PolicyValue",
    "quantile": "location.quantile.Quantile",
    "quality": "profiles.quality.Quality",
    "ridge": "regression.ridge.Ridge",
    "rmst": "survival.rmst.Rmst",
    "roc_auc": "diagnostics.roc_auc.RocAuc",
    "signals": "association.signals.Signals",
    "signed_rank": "location.signed_rank.SignedRank",
    "sequential_patterns": "association.sequential_patterns.SequentialPatterns",
    "site_drift": "tables.site_drift.SiteDrift",
    "smr": "epidemiology.smr.Smr",
    "spearman": "association.spearman.Spearman",
    "standardised_rate": "epidemiology.standardised_rate.StandardisedRate",
    "survival_table": "survival.survival_table.SurvivalTable",
    "t_test": "location.t_test.TTest",
    "table_one": "profiles.table_one.TableOne",
    "tost": "location.tost.Tost",
    "tukey_hsd": "location.tukey_hsd.TukeyHsd",
    "two_proportions": "tables.two_proportions.TwoProportions",
    "weighted_mean": "association.weighted_mean.WeightedMean",
}


class Registry(MutableMapping[str, "type[AnyStatistic]"]):
    """The classes by name; each is imported when it is first taken."""

    def __getitem__(self, name: str) -> type[AnyStatistic]:
        """Return a statistic; import it where its line is still a name."""
        line = _STATISTICS[name]
        if not isinstance(line, str):
            return line
        module, _, cls = line.rpartition(".")
        found: type[AnyStatistic] = getattr(import_module(f"analytics.statistics.{module}"), cls)
        return found

    def __setitem__(self, name: str, statistic: type[AnyStatistic]) -> None:
        """Add a class, as a script does that tries a statistic of its own."""
        _STATISTICS[name] = statistic

    def __delitem__(self, name: str) -> None:
        """Take it out again."""
        del _STATISTICS[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is one, without importing it."""
        return name in _STATISTICS

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(_STATISTICS)

    def __len__(self) -> int:
        """How many there are."""
        return len(_STATISTICS)


STATISTICS: Final = Registry()
