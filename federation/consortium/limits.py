"""Limits of one site's node; a part of the site's own file.

Layer:       federation.consortium.limits, below site_file. Pure.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """Limits of one node.

    Attributes:
        sessions: questions under way; those that wait for their run hold one more session's memory together.
        session_bytes: memory for one question's material, frames and replies (bytes).
        pool_bytes: memory for material dealt ahead (bytes); 0: none.
        request_text_bytes: disk for the texts of one analyst's requests (bytes); at the limit that analyst's requests are
            refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sessions: Annotated[int, Field(ge=1, le=256, strict=True)] = 16
    session_bytes: Annotated[int, Field(ge=1 << 10, strict=True)] = 1 << 30
    pool_bytes: Annotated[int, Field(ge=0, strict=True)] = 0
    request_text_bytes: Annotated[int, Field(ge=1 << 12, strict=True)] = 1 << 26
