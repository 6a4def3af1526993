p='analytics/statistics/group_moments.py'
s=open(p).read()
a=s.index('@dataclass(frozen=True, slots=True, kw_only=True)\nclass Sample:')
b=s.index('@dataclass(frozen=True, kw_only=True)\nclass GroupMoments')
c=s.index('def pooled_null(')
d=s.index('def _known_cells(')
samples=s[a:b]; funcs=s[c:d]
s=s[:a]+s[b:c]+s[d:]
head='''"""Samples of groups by number, mean and variance, with and without the noise of a release.

Layer:       analytics.statistics above noise_law, below group_moments; arithmetic of the analyst after the opening.
Terms:       values are in steps around the middle of their bounds; the groups lie along the last axis.
Guarantees:  what is simulated follows the public law of the noise and the answer alone.
Source:      the noise's law: parametric bootstrap as in Gaboardi et al. 1602.03090, of normal means and chi-square variances
             with fresh noise on all three figures. Differences of means: Student 1908; Welch 1947.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

    from analytics.statistics.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 1_999
_LEAST_VARIANCE: Final = 1 / 12
_FEWEST: Final = 2.0


'''
open('analytics/statistics/group_samples.py','w').write(head+samples+funcs.rstrip()+'\n')
for line in ('REPLICATES: Final = 1_999\n','_LEAST_VARIANCE: Final = 1 / 12\n','_FEWEST: Final = 2.0\n','    from numpy.random import Generator  # noqa: TID251  a simulation after the opening\n\n'):
    assert line in s,line
    s=s.replace(line,'')
s=s.replace('''Source:      ours; docs/guarantees.md P5, P8. The noise's law: parametric bootstrap as in Gaboardi et al. 1602.03090, of
             normal means and chi-square variances with fresh noise on all three figures.
''','''Source:      ours; docs/guarantees.md P5, P8. What is made of a sample: group_samples.
''')
s=s.replace('from analytics.statistics.counts import OPEN, OVER\n','from analytics.statistics.counts import OPEN, OVER\nfrom analytics.statistics.group_samples import Mechanism, Sample\n')
s=s.replace('Layer:       analytics.statistics above base, aggregate and value_guards,','Layer:       analytics.statistics above base, group_samples and value_guards,')
open(p,'w').write(s)
import re
for p,names in (('location/tukey_hsd','REPLICATES, Mechanism, Sample, pooled_null, squares_within'),('location/t_test','REPLICATES, Mechanism, Sample, error_of_difference'),('location/tost','REPLICATES, Mechanism, Sample, error_of_difference'),('location/anova','REPLICATES, Mechanism, Sample, pooled_null, squares_within'),('diagnostics/brier','REPLICATES, Mechanism, Sample')):
    p=f'analytics/statistics/{p}.py'
    s=open(p).read()
    s=re.sub(r'from analytics\.statistics\.group_moments import (\([^)]*\)|[^\n]*)','from analytics.statistics.group_moments import GroupMoments\nfrom analytics.statistics.group_samples import '+names,s,count=1)
    s=s.replace('bound.by.name','bound.bys[0].name').replace('self.column.resolution','self.unit').replace('column=column, by=by, chosen','column=column, bys=(by,), chosen')
    s=s.replace('bootstrap: group_moments','bootstrap: group_samples')
    open(p,'w').write(s)
