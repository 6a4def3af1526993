"""Findings on a site's rows before a training, for the site's administrator alone (P19 i).

Layer:       federation.diagnostics.training_readiness. Reads rows; its findings may hold counts and never leave the
             site.
Guarantees:  a run neither asks for these findings nor uses them: after the charge the same data give zero and noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.training.local_update import load_cases

if TYPE_CHECKING:
    from analytics.sources import LocalTable
    from federation.training.rounds.round_plan import RunPlan


def findings(plan: RunPlan, source: LocalTable, *, limit_s: float | None = None) -> tuple[str, ...]:
    """Check this site's rows for a training.

    Visible to: this site's administrator, by ``doctor``; never the wire.

    Args:
        plan: the plan of the run.
        source: the site's table.
        limit_s: seconds for the scan.

    Returns:
        Sentences, empty where there is no remark.
    """
    cases = load_cases(plan, source, limit_s)
    n_units, size = len(cases.starts), plan.model.size(plan.encoding)
    if n_units == 0:
        return ("no complete case: this site would contribute zero and noise",)
    found = []
    if (cases.target == cases.target[0]).all():
        found.append(
            f"one outcome only among {len(cases.target)} complete cases: the target is constant here"
        )
    if n_units < size:
        found.append(f"{n_units} complete units for {size} parameters: fewer units than parameters")
    constant = [
        label
        for label, column in zip(plan.encoding.labels[:-1], cases.matrix.T[:-1], strict=True)
        if (column == column[0]).all()
    ]
    if constant:
        found.append(f"the same value in every complete case: {', '.join(constant)}")
    if len(cases.target) > plan.table.rows_max:
        found.append(f"more rows than rows_max ({plan.table.rows_max}): sums are clamped")
    return tuple(found)
