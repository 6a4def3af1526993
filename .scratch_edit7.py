p='analytics/statistics/location/jarque_bera.py'
s=open(p).read()
i=s.index('    @property\n    def query'); j=s.index('    def _noisy(')
s=s[:i]+'''    @property
    def read(self) -> tuple[GroupColumn, ...]:
        """See ``RowSums``."""
        return (self.column,)

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """Number, then sums of four powers."""
        column = self.column
        value = ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)
        return (BlockSpec(measure=Measure.COUNT, argument=value), *power_blocks(column))

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {"column": self.column.name}

    @property
    def sum_clamps(self) -> tuple[int, ...]:
        """See ``RowSums``."""
        rows = self.limits.rows_max
        return rows, *(rows * reach_of(self.column) ** power for power in POWERS)

    def sums_of(self, values: Ints) -> list[int]:
        """See ``RowSums``."""
        return [len(values), *power_sums(self.column, values[:, 0])]

    def tested_of(self, values: Ints) -> list[int]:
        """See ``RowSums``."""
        each = values[:, 0]
        near = counted([np.ones(each.shape, dtype=np.bool_), *atoms(self.column, each)])
        return [*near.tolist(), *far_counts(self.column, each).tolist()]

    def closed_answer(self, reason: str) -> JarqueBeraAnswer:
        """See ``RowSums``."""
        return JarqueBeraAnswer(closed=reason)

    def answer(self, sums: Floats, noise: Sequence[NoiseLaw], opened: Ints) -> JarqueBeraAnswer:
        """See ``RowSums``."""
        if noise:
            return self._noisy(sums[0], noise, opened)
        n, *powers = sums[0].tolist()
        shape = exact_shape(n, powers)
        if shape is None:
            return self.closed_answer(UNDEFINED)
        return self._answer(shape, math.exp(-float(shape.jarque_bera) / 2), {})

'''+s[j:]
s=s.replace('''    def _noisy(self, values: Ints, noise: Sequence[NoiseLaw]) -> JarqueBeraAnswer:
        reach, generator = reach_of(self.column), simulation(values)
        figures = np.array([each / law.weight for each, law in zip(values, noise, strict=True)])
''','''    def _noisy(self, figures: Floats, noise: Sequence[NoiseLaw], opened: Ints) -> JarqueBeraAnswer:
        reach, generator = reach_of(self.column), simulation(opened)
''')
s=s.replace('(1 + farther) / (1 + REPLICATES)','float(1 + farther) / (1 + REPLICATES)')
s=s.replace('class JarqueBera(Statistic[int])','class JarqueBera(RowSums)')
i=s.index('def _flagged'); s=s[:i].rstrip()+'\n'
s=s.replace('''return found if figures[0] >= FEW * noise[0].sd else _flagged(found)''','''return replace(found, too_few=bool(figures[0] < FEW * noise[0].sd))''').replace('from dataclasses import dataclass, field\n','from dataclasses import dataclass, field, replace\n')
s=s.replace('generator: np.random.Generator','generator: Generator')
s=s.replace('  # noqa: TID251  a simulation after the opening','').replace('  # noqa: TID251  as above','')
s=s.replace('''    import pandas as pd

    from analytics.schema''','''    import pandas as pd
    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

    from analytics.schema''')
s=s.replace('''    from smpc.session import Session
    from smpc.sharing import Shared
''','').replace('''from smpc.operations.arithmetic import broadcast, concatenate, multiply, take
from smpc.operations.selection import all_of
''','').replace('from analytics.statistics.counts import OPEN, OVER\n','').replace('from analytics.sql.query import BoundQuery, Clause, Use\n','').replace('import BOTH, MINIMUM_CELL, Answer, Statistic, Step','import BOTH, Answer').replace('from analytics.statistics.value_guards','from analytics.statistics.row_sums import RowSums\nfrom analytics.statistics.value_guards')
s=s.replace('    from analytics.schema import NumericColumn, Table\n','    from analytics.schema import NumericColumn, Table\n    from analytics.sql.query import GroupColumn\n')
open(p,'w').write(s)
