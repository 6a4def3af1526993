"""A site's own models: what a strategy that keeps a state left at this site, as files for its own people.

Layer:       federation.training.own_models, above estimators; a site's node writes them.
Visible to:  the site alone. Without noise an own model is a function of the site's own rows; it is never sent.
Guarantees:  files are for their owner only (mode 600) and are replaced as a whole. A file that cannot be written ends no
             run, since data and disks cause no error after the charge.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from federation.training.estimators import estimator_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.training.fitted_model import FederatedModel
    from federation.training.rounds.round_plan import RunPlan

LOG: Final = logging.getLogger(__name__)
_NAME_DIGITS: Final = 16


class OwnModels:
    """The own models of one site, one a run."""

    def __init__(self, folder: Path | None = None) -> None:
        """Take the folder; without one only the latest is kept, in memory."""
        self._folder = folder
        self.latest: FederatedModel | None = None

    def __repr__(self) -> str:
        return "OwnModels()"

    def keep(self, plan: RunPlan, run: str, parameters: Sequence[int]) -> None:
        """Keep a run's own model in place of that of an earlier round.

        Args:
            plan: of the run.
            run: digest of the request; its first 16 digits name the file.
            parameters: integers in units of ``2**-32``.
        """
        model = estimator_of(plan.task.model).from_parameters(plan, tuple(parameters))
        self.latest = model
        if self._folder is None:
            return
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder)  # mode 600
            os.close(handle)
            try:
                model.save(name)
                Path(name).replace(self._folder / f"{run[:_NAME_DIGITS]}.json")
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            LOG.warning("the site's own model was not written (%s)", type(error).__name__)
