"""Makes an OPS_TOKEN, and refuses weak ones."""

import re
import secrets
from itertools import pairwise

RANDOM_BYTES = 32  # 256 bits, in 43 characters
SHORTEST = 32  # characters: 128 bits where they are hexadecimal
FEWEST_PAIRS = 20
"""Different pairs of adjacent characters. Tokens of few characters or with repetitions have fewer; 32 random digits
hardly ever."""
WHAT_TO_DO = "Make one with `python -m worker ops-token`"


def make() -> str:
    return secrets.token_urlsafe(RANDOM_BYTES)


def require_strength(token: str) -> None:
    """Raises ValueError, with a sentence that does not contain the token. Well-known tokens are not recognised."""
    if not re.fullmatch(r"[!-~]*", token):
        raise ValueError(f"It holds blanks or characters that no header carries. {WHAT_TO_DO}")
    if len(token) < SHORTEST:
        raise ValueError(
            f"It has {len(token)} characters, and can be guessed: at least {SHORTEST} are needed. {WHAT_TO_DO}"
        )
    if len(set(pairwise(token))) < FEWEST_PAIRS:
        raise ValueError(f"It has few different characters, or repeats itself, and can be guessed. {WHAT_TO_DO}")
