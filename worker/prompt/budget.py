"""The budget of tokens for prompts: estimates, corrected by the provider's counts."""

from collections import OrderedDict

POSTS_SHARE, ANALYSES_SHARE = 0.3, 0.15
"""Greatest shares of the budget without the persona. The question gets the rest, then the history."""
NEWS_WEIGHT = 0.5
LEAST_RATIO, GREATEST_RATIO = 0.5, 3.0
"""Bounds of a measured ratio, so that a wrong count neither empties the history nor allows everything."""
CHATS = 1_000
"""Ratios that are kept, of the chats that were answered last."""


class Budget:
    """The budget of all prompts of a process. `tokens`: the longest prompt.

    The ratio of counted to estimated tokens is measured for each chat, since language and kind of text differ.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self._ratios: OrderedDict[str, float] = OrderedDict()

    def ratio(self, session_id: str) -> float:
        """Counted tokens for each estimated one, as a running mean."""
        return self._ratios.get(session_id, 1.0)

    def allows(self, estimated: int, session_id: str) -> bool:
        """Whether so many estimated tokens fit into the budget."""
        return estimated * self.ratio(session_id) <= self.tokens

    def learn(self, session_id: str, estimated: int, counted: int) -> None:
        """Update the ratio. `counted`: the provider's count for the same prompt; 0: not reported."""
        if estimated <= 0 or counted <= 0:
            return
        news = min(GREATEST_RATIO, max(LEAST_RATIO, counted / estimated))
        known = self.ratio(session_id)
        self._ratios[session_id] = known + NEWS_WEIGHT * (news - known)
        self._ratios.move_to_end(session_id)
        if len(self._ratios) > CHATS:
            self._ratios.popitem(last=False)
