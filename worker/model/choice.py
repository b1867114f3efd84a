"""Chooses the next model for a claim, by which ones it has already asked, and which may be asked now."""

from collections import Counter

import structlog

from worker.errors import ModelError, NoModel
from worker.model.admission import Admission
from worker.model.retry import Again

log = structlog.get_logger()

NO_MODEL_OF_PLAN_SECONDS = 30.0
"""Until a question is claimed again if its plan allows none of the models: the plan may be corrected meanwhile."""


class ModelChoice:
    """The models of one claim, the least asked first, then in the order of preference.

    `allowed`: the names in the user's plan; None: all.
    """

    def __init__(self, admission: Admission, allowed: list[str] | None = None) -> None:
        self._admission = admission
        self._models = [model for model in admission.models if allowed is None or model in allowed]
        self._asked: Counter[str] = Counter()

    def choose(self) -> str:
        """The model to ask now. Raises NoModel where none may be asked."""
        if not self._models:
            log.warning("The plan of a user names none of GEMINI_MODELS.", action="no_model_of_plan")
            raise NoModel(NO_MODEL_OF_PLAN_SECONDS)
        model = self._admission.take(sorted(self._models, key=self._asked.__getitem__))
        if model is None:
            raise NoModel(self._admission.opens_in(self._models))
        self._asked[model] += 1
        return model

    def after(self, model: str, error: ModelError) -> Again:
        """When to call again after this model has failed with this error."""
        if error.is_of_the_question:
            return Again.NEVER
        fresh = [each for each in self._models if not self._asked[each] and each != model]
        return Again.AT_ONCE if self._admission.can_serve(fresh) else Again.LATER
