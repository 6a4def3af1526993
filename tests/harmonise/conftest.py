"""The servers of sources, for hospitals whose tables stand in them."""

from tests.sources.conftest import cluster, server

__all__ = ["cluster", "server"]
