p='analytics/statistics/gram_release.py'
s=open(p).read()
i=s.index('def _known(')
s=s[:i].rstrip()+'\n'
s=s.replace('_known([','all_known([').replace('import BlockSpec, JointNorm, Measure','import BlockSpec, JointNorm, Measure, all_known')
open(p,'w').write(s)
p='analytics/statistics/blocks.py'
s=open(p).read()
s=s.replace('''def column_name(argument''','''def all_known(arguments: Sequence[Integer]) -> Condition:
    """Whether none of some expressions is NULL.

    Args:
        arguments: at least one.
    """
    known: list[Condition] = [Not(condition=Missing(argument=argument)) for argument in arguments]
    return reduce(lambda one, other: Both(left=one, right=other), known)


def column_name(argument''').replace('    Missing,\n','    Missing,\n    Not,\n').replace('from enum import StrEnum\n','from enum import StrEnum\nfrom functools import reduce\n')
open(p,'w').write(s)
p='analytics/statistics/distributions.py'
s=open(p).read()
s=s.replace('''def studentized_range_tail(''','''def rates_test(cases: int, others: int, share: float) -> float:
    """P-value with two sides of two numbers of cases with one rate, given their sum.

    Args:
        cases: of the first.
        others: of the second.
        share: the first's part of the person-time of both.

    Returns:
        The chance of all splits that are no more likely than this one; 1 without cases.
    """
    from scipy import stats

    total = cases + others
    return float(stats.binomtest(cases, total, share).pvalue) if total else 1.0


def studentized_range_tail(''',1)
open(p,'w').write(s)
s=open('analytics/statistics/registry.py').read()
s=s.replace('    "g_test"','    "friedman": "location.friedman.Friedman",\n    "g_test"').replace('    "jarque_bera"','    "incidence_rate": "tables.incidence_rate.IncidenceRate",\n    "jarque_bera"')
open('analytics/statistics/registry.py','w').write(s)
s=open('analytics/statistics/register.py').read()
import re
s=re.sub(r'    "(friedman|incidence_rate)":[^\n]*\n','',s)
open('analytics/statistics/register.py','w').write(s)
