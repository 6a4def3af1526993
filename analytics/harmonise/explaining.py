"""A mapping as one SELECT, for a person to read.

Layer:       analytics.harmonise.explaining, above the steps that ran.
Guarantees:  the text holds words of the mapping and names of columns, and no cell. Each WITH entry is the statement that
             the site ran.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from analytics.sources.preparation.run import Prepared


def explained(done: Prepared) -> str:
    """The SELECT of a mapping that ran.

    Args:
        done: what ran.

    Returns:
        SQL in DuckDB's dialect; step 0 of each block stands as a comment, since it is the file itself.
    """
    lines = [
        f"-- {quoted(read.table)}: the file's columns {', '.join(read.columns)}"
        for read in done.reads.values()
    ]
    lines += [
        f"-- {quoted(name)}: {count} pairs of source and target" for name, count in done.n_codes.items()
    ]
    last = f"SELECT * FROM {quoted(done.plan.result)}"  # noqa: S608  a name of ours
    if not done.plan.steps:
        return "\n".join([*lines, last])
    parts = [
        f"-- {step.block}: {step.what}\n{quoted(step.after)} AS (\n  {step.sql}\n)"
        for step in done.plan.steps
    ]
    return "\n".join([*lines, "WITH", ",\n".join(parts), last])
