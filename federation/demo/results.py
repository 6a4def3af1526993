"""The results of a demo run, for its page and its JSON file.

Layer:       federation.demo.results, above single_site_reference. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytics.mining.result import MiningResult
    from analytics.results.result import Result
    from federation.demo.single_site_reference import Comparison
    from privacy_accounting.audit.verify import VerifyReport


@dataclass(slots=True)
class DemoResults:
    """All results of a run, for the page and the JSON file."""

    answers: dict[str, Result] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    mined: MiningResult | None = None
    comparison: Comparison | None = None
    model_note: str = ""
    explanation: str = ""
    budget: list[dict[str, Any]] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)
    difference: float = 0.0
    audit: VerifyReport | None = None
    seconds: dict[str, float] = field(default_factory=dict)
