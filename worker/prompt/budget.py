"""How long a prompt may be, in tokens: estimated beforehand, and corrected by what the provider counts."""

from collections import OrderedDict

POSTS_SHARE, ANALYSES_SHARE = 0.3, 0.15
"""What they may take at most of the room beside the persona. The question has the rest, and then the history."""
NEWS_WEIGHT = 0.5
LEAST_RATIO, GREATEST_RATIO = 0.5, 3.0
"""Bounds of the ratio: one wrong count of a provider must neither empty the history nor allow everything."""
CHATS = 1_000
"""Of so many, the last that were answered, it is known how their tokens are counted."""


class Budget:
    """One for the process. A ratio measured in a chat holds for that chat alone: each has its own language
    and kind of text.

    `tokens` is the longest prompt.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self._ratios: OrderedDict[str, float] = OrderedDict()

    def ratio(self, session_id: str) -> float:
        """Tokens counted for each one estimated, as a running mean."""
        return self._ratios.get(session_id, 1.0)

    def allows(self, estimated: int, session_id: str) -> bool:
        """Whether so many tokens, as estimated, fit into the budget."""
        return estimated * self.ratio(session_id) <= self.tokens

    def learn(self, session_id: str, estimated: int, counted: int) -> None:
        """`counted`: tokens of the same prompt, by the provider; 0: not reported."""
        if estimated <= 0 or counted <= 0:
            return
        news = min(GREATEST_RATIO, max(LEAST_RATIO, counted / estimated))
        known = self.ratio(session_id)
        self._ratios[session_id] = known + NEWS_WEIGHT * (news - known)
        self._ratios.move_to_end(session_id)
        if len(self._ratios) > CHATS:
            self._ratios.popitem(last=False)
