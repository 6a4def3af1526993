"""Small sites with a mapping: what a file becomes, and what a check of it says."""

from fractions import Fraction

from analytics.harmonise.reading import read_mapping
from analytics.schema import BooleanColumn, CategoricalColumn, IdentifierColumn, NumericColumn, Table
from analytics.sources import CellRules, SourceSpec
from analytics.sources.inspection import inspected
from analytics.sources.preparation.mapped import check_mapping


def site(folder, mapping, rows, files=(), **how):
    """A source with a mapping; files are pairs of name and text."""
    folder.mkdir(exist_ok=True)
    for name, text in (("mapping.toml", "version = 1\n" + mapping), ("site.csv", rows), *files):
        (folder / name).write_text(text, "utf-8")
    return SourceSpec(
        kind="csv", path=folder / "site.csv", mapping=read_mapping(folder / "mapping.toml"), **how
    )


def harmonised(folder, mapping, rows, files=(), **how):
    """The rows that a mapping makes, as a dictionary a row, in the order of their texts."""
    spec = site(folder, mapping, rows, files, **how)
    with inspected(spec, name="site", view="SELECT * FROM source", cells=spec.cells) as connection:
        found = connection.execute("SELECT * FROM source")
        names = [column[0] for column in found.description]
        return sorted((dict(zip(names, row, strict=True)) for row in found.fetchall()), key=repr)


def column(folder, rule, cells, header="x", files=(), top=""):
    """The values of one column ``x``, in the order of the cells."""
    text = f"number,{header}\n" + "".join(f"{place:06d},{cell}\n" for place, cell in enumerate(cells))
    rows = harmonised(folder, f"{top}\n[table.columns.number]\n[table.columns.x]\n{rule}\n", text, files)
    return [row["x"] for row in sorted(rows, key=lambda row: row["number"])]


def counts(folder, mapping, rows, files=(), resolutions=None, **how):
    """Of each step its rows, and the counts that are not 0."""
    done = check_mapping(site(folder, mapping, rows, files, **how), resolutions or {})
    steps = {(step.block, step.what): (step.rows_before, step.rows_after) for step in done.steps}
    touched = {rule: count for step in done.steps for rule, count in step.touched.items() if count}
    return steps, touched


def numeric(name, lower, upper, resolution="1"):
    return NumericColumn(
        name=name,
        lower=Fraction(lower),
        upper=Fraction(upper),
        resolution=Fraction(resolution),
        nullable=True,
    )


def table(*columns, unit="row"):
    return Table(
        name="patients",
        columns={each.name: each for each in columns},
        privacy_unit=unit,
        max_rows_per_unit=1,
        rows_max=10_000,
        population="patients",
        max_sites_per_unit=None,
        exact_dimensions=(),
    )


__all__ = ["BooleanColumn", "CategoricalColumn", "CellRules", "IdentifierColumn"]
