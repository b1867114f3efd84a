"""How long a prompt may be, in tokens: estimated beforehand, and corrected by what the provider counts."""

BYTES_PER_TOKEN = 4
"""Of UTF-8: four letters of English, and a little more than one character of Chinese or Japanese."""
CAPTION_SHARE = 0.25
"""What the captions of a prompt may take of it."""
NEWS_WEIGHT = 0.2
LEAST_RATIO, GREATEST_RATIO = 0.5, 3.0
"""Whatever a provider counts: one strange figure must neither empty the history nor let everything through."""


def estimate(text: str) -> int:
    """Tokens, before any correction."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


class Budget:
    """One for the process: what it learns from one chat holds for the next."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self.ratio = 1.0
        """Tokens counted for each one estimated, as a running mean."""

    @property
    def caption_tokens(self) -> int:
        """Uncorrected: a chat's post reads the same in each of its prompts, or no cache could hold it."""
        return int(self._tokens * CAPTION_SHARE)

    def allows(self, estimated: int) -> bool:
        return estimated * self.ratio <= self._tokens

    def learn(self, estimated: int, counted: int) -> None:
        if estimated <= 0 or counted <= 0:
            return
        news = min(GREATEST_RATIO, max(LEAST_RATIO, counted / estimated))
        self.ratio += NEWS_WEIGHT * (news - self.ratio)
