import re
p='analytics/statistics/group_moments.py'
s=open(p).read()
def rep(a,b,n=1):
    global s
    assert s.count(a)>=1,(a,s.count(a))
    s=s.replace(a,b) if n==0 else s.replace(a,b,n)
rep('"""Statistics that are made from number, sum and sum of squares of a column in groups of another.','"""Statistics that are made from number, sum and sum of squares of a column, in groups of others or over all rows.')
rep('''             mean and variance of some groups in these steps, over ``n - 1``. A row that lacks one of both values counts
             nowhere.''','''             mean and variance of some groups in these steps, over ``n - 1``. Of two grouping columns each combination
             of their groups is one; without any, all rows are one. A row that lacks one of the values counts nowhere.''')
rep('''    Attributes:
        column: what is averaged.
        by: what makes the groups.
        chosen: positions of the compared groups, in the order asked.
    """

    column: NumericColumn
    by: GroupColumn
    chosen: tuple[int, ...]
''','''    Attributes:
        column: what is averaged.
        bys: what makes the groups; none for all rows as one.
        chosen: positions of the compared groups among all combinations, NULL included, in the order asked.
    """

    column: NumericColumn
    bys: tuple[GroupColumn, ...]
    chosen: tuple[int, ...]
''')
rep('''        check_one_row_a_unit(table, cls.name)
        column, by = arguments.number_column("column", table), arguments.group_column("by", table)
        if column.name == by.name:
            raise InvalidRequestError(parameter="by", reason="must be another column")
        chosen = chosen_groups(by, arguments)
        if len(chosen) > MAX_GROUPS:
            raise InvalidRequestError(parameter="by", reason=f"makes more than {MAX_GROUPS} groups")
        bound = {"table": table, "mode": mode, "limits": limits, "column": column, "by": by, "chosen": chosen}
        return cls(**bound | fields)  # type: ignore[arg-type]

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the compared groups."""
        every = [str(label) for label in labels_of(self.by) if label is not None]
        return tuple(every[place] for place in self.chosen)
''','''        column, by = arguments.number_column("column", table), arguments.group_column("by", table)
        return cls.bind_cells(table, mode, limits, column, (by,), chosen_groups(by, arguments), **fields)

    @classmethod
    def bind_cells(
        cls,
        table: Table,
        mode: Mode,
        limits: Limits,
        column: NumericColumn,
        bys: tuple[GroupColumn, ...],
        chosen: tuple[int, ...] = (),
        **fields: object,
    ) -> Self:
        """Bind columns that are read already; without ``chosen`` all groups are compared.

        Raises:
            InvalidRequestError: a column comes twice, or there are too many groups.
            PlanRejectedError: a privacy unit may have several rows.
        """
        check_one_row_a_unit(table, cls.name)
        if len({column.name, *(by.name for by in bys)}) <= len(bys):
            raise InvalidRequestError(parameter="by", reason="must be another column")
        places = chosen or _known_cells(bys)
        if len(places) > MAX_GROUPS:
            raise InvalidRequestError(parameter="by", reason=f"makes more than {MAX_GROUPS} groups")
        bound = {"table": table, "mode": mode, "limits": limits, "column": column, "bys": bys}
        return cls(**bound | {"chosen": places} | fields)  # type: ignore[arg-type]

    @property
    def shape(self) -> tuple[int, ...]:
        """Groups of each grouping column, NULL included."""
        return tuple(len(labels_of(by)) for by in self.bys)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the compared groups."""
        every = [" ".join(map(str, each)) for each in product(*map(labels_of, self.bys))]
        return tuple(every[place] for place in self.chosen)
''')
rep('''        argument = Numeric(expression=self._value, unit=self.column.resolution)
''','''        argument = Numeric(expression=self._value, unit=self.unit)
''')
rep('''            text=f"{self.name}({self.column.name}, {self.by.name})",''','''            text=f"{self.name}({', '.join(self._names)})",''')
rep('''            groups=(GroupKey(column=self.by, labels=labels_of(self.by)),),''','''            groups=tuple(GroupKey(column=by, labels=labels_of(by)) for by in self.bys),''')
rep('''            uses=(
                Use(column=self.by.name, clause=Clause.GROUP_BY, position="by"),
                Use(column=self.column.name, clause=Clause.AGGREGATE, position="column"),
            ),
''','''            uses=(
                *(Use(column=by.name, clause=Clause.GROUP_BY, position="by") for by in self.bys),
                *(
                    Use(column=name, clause=Clause.AGGREGATE, position="column")
                    for name in sorted(columns_in(self._value))
                ),
            ),
''')
rep('''        """Exact: the group and the value."""
        return (self.by.name, self.column.name) if self.mode == "exact" else ()
''','''        """Exact: the groups and the value."""
        return (*(by.name for by in self.bys), self.column.name) if self.mode == "exact" else ()
''')
rep('''        return (self.by.name,)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {"column": self.column.name, "by": self.by.name, "groups": list(self.labels)}
''','''        return tuple(by.name for by in self.bys)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        names = [by.name for by in self.bys]
        by: object = names[0] if len(names) == 1 else names
        return {"column": self.column.name, "by": by, "groups": list(self.labels)}
''')
rep('''            n_groups = len(labels_of(self.by))
''','''            n_groups = math.prod(self.shape)
''')
rep('''        lower, upper = self.column.grid_lower, self.column.grid_upper
        mechanism = Mechanism(''','''        lower, upper = bounds(self._value)
        mechanism = Mechanism(''')
rep('''        unit = float(self.column.resolution)
        return [float(unit * (mean + self._center)) for mean in sample.mean]

    @property
    def _value(self) -> ColumnIndex:
        return''','''        unit = float(self.unit)
        return [float(unit * (mean + self._center)) for mean in sample.mean]

    @property
    def unit(self) -> Fraction:
        """Of one step."""
        return self.column.resolution

    @property
    def _names(self) -> tuple[str, ...]:
        return self.column.name, *(by.name for by in self.bys)

    @property
    def _value(self) -> Integer:
        return''')
rep('''        return self.column.grid_lower - self._center, self.column.grid_upper - self._center
''','''        lower, upper = bounds(self._value)
        return lower - self._center, upper - self._center
''')
rep('''        groups, values = group_places(self.by, rows[:, 1]), rows[:, 2]
''','''        groups, values = np.zeros(len(rows), dtype=np.int64), rows[:, -1]
        for place, (by, size) in enumerate(zip(self.bys, self.shape, strict=True), start=1):
            groups = groups * size + group_places(by, rows[:, place])
''')
rep('''def error_of_difference(''','''def pooled_null(sample: Sample, mean: Floats | None = None) -> Sample:
    """The sample with one variance, that within its groups, and given means; without them one mean for all groups."""
    size, count = float(sample.n.sum()), sample.n.size
    within = float(((sample.n - 1) * sample.variance).sum()) / (size - count)
    if mean is None:
        mean = np.full(count, float((sample.n * sample.mean).sum()) / size)
    return Sample(n=sample.n, mean=mean, variance=np.full(count, within))


def squares_within(sample: Sample) -> Floats:
    """The sum of squares of the rows around their group's mean, in steps squared; the groups along the last axis."""
    found: Floats = np.where(sample.n > 1, (sample.n - 1) * np.nan_to_num(sample.variance), 0.0).sum(axis=-1)
    return found


def error_of_difference(''')
rep('''def group_places(''','''def _known_cells(bys: Sequence[GroupColumn]) -> tuple[int, ...]:
    """The places of the combinations of groups without NULL, among all combinations."""
    known = [np.array([label is not None for label in labels_of(by)]) for by in bys]
    cells = np.ones(tuple(map(len, known)), dtype=np.bool_)
    for axis, each in enumerate(known):
        cells &= each.reshape([-1 if place == axis else 1 for place in range(len(known))])
    return tuple(int(place) for place in np.flatnonzero(cells))


def group_places(''')
rep('from analytics.sql.expressions import ColumnIndex\n','from analytics.sql.expressions import ColumnIndex, Integer, bounds, columns_in\n')
rep('from fractions import Fraction\n','from fractions import Fraction\nfrom itertools import product\n')
rep('from abc import abstractmethod\n','import math\nfrom abc import abstractmethod\n')
open(p,'w').write(s)

p='analytics/statistics/location/anova.py'
s=open(p).read()
rep('''        _, within = _squares(sample)
        size = float(sample.n.sum())
        count = len(self.chosen)
        null = Sample(
            n=sample.n,
            mean=np.full(count, float((sample.n * sample.mean).sum()) / size),
            variance=np.full(count, float(within) / (size - count)),
        )
        drawn = mechanism.redraw(null, REPLICATES, simulation(opened))
''','''        count = len(self.chosen)
        drawn = mechanism.redraw(pooled_null(sample), REPLICATES, simulation(opened))
''')
rep('''    spread = np.where(n > 1, (n - 1) * np.nan_to_num(sample.variance), 0.0)
    return (n * (sample.mean - middle) ** 2).sum(axis=-1), spread.sum(axis=-1)''','''    return (n * (sample.mean - middle) ** 2).sum(axis=-1), squares_within(sample)''')
rep('float(self.column.resolution)','float(self.unit)',0)
open(p,'w').write(s)
p='analytics/statistics/location/tukey_hsd.py'
s=open(p).read()
rep('''        size, count = float(sample.n.sum()), len(self.chosen)
        within = float(((sample.n - 1) * sample.variance).sum()) / (size - count)
        null = Sample(
            n=sample.n,
            mean=np.full(count, float((sample.n * sample.mean).sum()) / size),
            variance=np.full(count, within),
        )
        differences, errors = _differences(mechanism.redraw(null, REPLICATES, simulation(opened)))
''','''        drawn = mechanism.redraw(pooled_null(sample), REPLICATES, simulation(opened))
        differences, errors = _differences(drawn)
''')
rep('''        spread = np.where(n > 1, (n - 1) * np.nan_to_num(sample.variance), 0.0).sum(axis=-1, keepdims=True)
        within = spread / (n.sum(axis=-1, keepdims=True) - count)
''','''        within = (squares_within(sample) / (n.sum(axis=-1) - count))[..., np.newaxis]
''')
rep('import REPLICATES, GroupMoments, Mechanism, Sample\n','import (\n    REPLICATES,\n    GroupMoments,\n    Mechanism,\n    Sample,\n    pooled_null,\n    squares_within,\n)\n')
rep('self.column.resolution','self.unit',0)
open(p,'w').write(s)
