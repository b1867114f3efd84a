"""Which model is asked next for one claim: its own memory of them, and what may be asked at all."""

from collections import Counter

from worker.admission import Admission
from worker.errors import ModelError, NoModel
from worker.retry import Again


class Route:
    """The models of one claim: those that it has asked least go first, in the order of preference."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._asked: Counter[str] = Counter()

    def choose(self) -> str:
        """The model to ask now. Raises NoModel where none may be asked."""
        model = self._admission.take(sorted(self._admission.models, key=self._asked.__getitem__))
        if model is None:
            raise NoModel(self._admission.opens_in())
        self._asked[model] += 1
        return model

    def after(self, model: str, error: ModelError) -> Again:
        """When to go on, now that this model has failed in this way."""
        if error.is_of_the_question:
            return Again.NEVER
        fresh = [each for each in self._admission.models if not self._asked[each] and each != model]
        return Again.AT_ONCE if self._admission.can_serve(fresh) else Again.LATER
