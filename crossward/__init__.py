"""The whole Python API in one name: ``import crossward``.

``crossward.connect`` and ``crossward.local`` open a session; ``crossward.models``, ``crossward.audit`` and
``crossward.errors`` hold models, checks of ledgers and errors; ``crossward.planning`` has powers and sample sizes.
Everything is loaded at its first use.

Layer:       crossward, above all other packages; only ``crossward.base_error`` lies below them.
See instead: the packages themselves (``federation``, ``analytics``, ``smpc``, ``privacy_accounting``).
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from analytics.mining.request import MiningRequest
    from analytics.mining.result import MiningResult
    from analytics.results.result import Result
    from analytics.sources.formats.fhir.definition import ViewDefinition
    from analytics.sources.servers.access import ServerAccess
    from analytics.sources.spec import SourceSpec
    from analytics.statistics.base import Answer
    from crossward import audit, errors, models, planning
    from crossward.base_error import CrosswardError
    from federation.client.connect import connect
    from federation.client.local import local
    from federation.client.questions.preflight import Preflight
    from federation.client.session import Session
    from federation.client.table import TableView
    from federation.requests.explanation import Explanation
    from federation.setup.infer_schema import guess_schema
    from federation.training.task import TrainingTask, load_task

    __version__: str

_PLACES: Final = {
    "Answer": "analytics.statistics.base",
    "CrosswardError": "crossward.base_error",
    "Explanation": "federation.requests.explanation",
    "MiningRequest": "analytics.mining.request",
    "MiningResult": "analytics.mining.result",
    "Preflight": "federation.client.questions.preflight",
    "Result": "analytics.results.result",
    "ServerAccess": "analytics.sources.servers.access",
    "SourceSpec": "analytics.sources.spec",
    "TableView": "federation.client.table",
    "TrainingTask": "federation.training.task",
    "ViewDefinition": "analytics.sources.formats.fhir.definition",
    "load_task": "federation.training.task",
}
_MODULES: Final = ("audit", "errors", "models", "planning")

__all__ = [
    "Answer",
    "CrosswardError",
    "Explanation",
    "MiningRequest",
    "MiningResult",
    "Preflight",
    "Result",
    "ServerAccess",
    "Session",
    "SourceSpec",
    "TableView",
    "TrainingTask",
    "ViewDefinition",
    "__version__",
    "audit",
    "connect",
    "errors",
    "guess_schema",
    "load_task",
    "local",
    "models",
    "planning",
]


def __dir__() -> list[str]:
    """List the public names, also before they are loaded; those of ``federation`` are among them."""
    import federation

    return sorted({*__all__, *federation.__all__})


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562)."""
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("crossward")
    if name in _MODULES:
        return import_module(f"crossward.{name}")
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    import federation

    if name in federation.__all__:
        return getattr(federation, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
