p='analytics/statistics/location/t_test.py'
s=open(p).read()
i=s.index('def _one_mean(')
s=s[:i].rstrip()+'\n'
s=s.replace('            return _one_mean(table, arguments, mode, limits, alternative)\n','''            kind = PairedMeans if given == ["paired"] and mode == "exact" else OneMean
            return kind.bind(table, arguments, mode, limits)
''').replace('    def bind(\n        cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits\n    ) -> Self | OneMean | PairedMeans:\n        """See ``Statistic``."""\n        alternative = alternative_of(arguments)\n','    def bind(\n        cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits\n    ) -> Self | OneMean | PairedMeans:\n        """See ``Statistic``."""\n')
s=s.replace('"alternative": alternative,','"alternative": alternative_of(arguments),').replace(', check_one_row_a_unit','').replace('from fractions import Fraction\n','')
open(p,'w').write(s)
p='analytics/statistics/location/one_mean.py'
s=open(p).read()
s=s.replace('''    @property
    def unit(self) -> Fraction:
        """Of one step; of pairs''','''    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        column = arguments.number_column("column", table)
        second, popmean = None, Fraction(0)
        if arguments.is_given("paired"):
            second = _second(column, arguments, table)
        else:
            popmean = arguments.number("popmean")
        bound = cls.bind_cells(
            table,
            mode,
            limits,
            column,
            (),
            (0,),
            popmean=popmean,
            alternative=alternative_of(arguments),
            second=second,
        )
        return bound

    @property
    def unit(self) -> Fraction:
        """Of one step; of pairs''',1)
s=s.replace('''    alternative: str
    pair: tuple[NumericColumn, NumericColumn]
''','''    alternative: str
    pair: tuple[NumericColumn, NumericColumn]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, NAME)
        column = arguments.number_column("column", table)
        pair = column, _second(column, arguments, table)
        alternative = alternative_of(arguments)
        bound = cls(table=table, mode=mode, limits=limits, modelled=pair, pair=pair, alternative=alternative)
        bound.check_size("paired")
        return bound
''')
s=s.replace('''        own = {"column": self.column.name, "alternative": self.alternative}
        return own | ({"popmean": str(self.popmean)} if self.second is None else {"paired": self.second.name})
''','''        found: dict[str, object] = {"column": self.column.name, "alternative": self.alternative}
        return found | ({"popmean": str(self.popmean)} if self.second is None else {"paired": self.second.name})
''')
s=s.replace('''        own = {"column": first, "paired": second, "alternative": self.alternative}
        return own |''','''        found: dict[str, object] = {"column": first, "paired": second, "alternative": self.alternative}
        return found |''')
s=s.replace('''def difference(first''','''def _second(column: NumericColumn, arguments: Arguments, table: Table) -> NumericColumn:
    second = arguments.number_column("paired", table)
    if second.name == column.name:
        raise InvalidRequestError(parameter="paired", reason="must be another column")
    return second


def difference(first''')
s=s.replace('''    from analytics.schema import NumericColumn
''','''    from analytics.schema import NumericColumn, Table
''').replace('''    from analytics.statistics.base import Ints
''','''    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits, Mode
''').replace('ClassVar, Final\n','ClassVar, Final, Self\n').replace('from analytics.sql.expressions','from analytics.errors import InvalidRequestError\nfrom analytics.sql.expressions',1)
s=s.replace('from analytics.statistics.base import BOTH','from analytics.statistics.arguments import check_one_row_a_unit\nfrom analytics.statistics.base import BOTH').replace('from analytics.statistics.gram_rows','from analytics.statistics.figure_table import alternative_of\nfrom analytics.statistics.gram_rows').replace('''            second=second,
        )
        return bound
''','''            second=second,
        )
''').replace('        bound = cls.bind_cells(','        return cls.bind_cells(')
s=s.replace('self.second.name}\n        )','self.second.name}\n        )')
open(p,'w').write(s)
p='analytics/statistics/location/two_way_anova.py'
s=open(p).read()
s=s.replace('cells: tuple[tuple[str, str], ...] = ()','levels: tuple[tuple[str, ...], ...] = ()').replace('        cells: the labels of each cell.\n','        levels: the groups of both columns; the cells are their combinations, the second column\'s fastest.\n')
s=s.replace('"cells": [list(each) for each in self.cells],','"levels": [list(each) for each in self.levels],').replace('cells=tuple(product(*self._levels)),','levels=tuple(map(tuple, self._levels)),').replace('from itertools import product\n','')
s=s.replace('''    def closed_answer''','''    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        bys = arguments.group_columns("by", table)
        if len(bys) != 2 or arguments.is_given("groups"):  # noqa: PLR2004  two-way
            raise InvalidRequestError(parameter="by", reason="must be one column, or two without groups")
        bound = cls.bind_cells(table, mode, limits, arguments.number_column("column", table), bys)
        if min(map(len, bound._levels)) < 2:  # noqa: PLR2004  a comparison
            raise InvalidRequestError(parameter="by", reason="must be columns of at least two groups each")
        return bound

    def closed_answer''',1)
s=s.replace('''    from analytics.statistics.base import Ints
''','''    from analytics.schema import Table
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits, Mode
''').replace('ClassVar, Final\n','ClassVar, Final, Self\n').replace('from analytics.sql.grouping','from analytics.errors import InvalidRequestError\nfrom analytics.sql.grouping',1)
open(p,'w').write(s)
p='analytics/statistics/location/anova.py'
s=open(p).read()
i=s.index('        if len(bys :='); j=s.index('        bound = cls.bind_groups')
s=s[:i]+'''        if len(arguments.one_or_more_texts("by")) > 1:
            return TwoWayAnova.bind(table, arguments, mode, limits)
'''+s[j:]
open(p,'w').write(s)
p='analytics/statistics/group_moments.py'
s=open(p).read()
s=s.replace('''        column, by = arguments.number_column("column", table), arguments.group_column("by", table)
        return cls.bind_cells(''','''        column, (by, *_) = arguments.number_column("column", table), arguments.group_columns("by", table)
        return cls.bind_cells(''')
open(p,'w').write(s)
