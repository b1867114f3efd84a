"""An answer long enough to be watched while it streams."""

QUESTION = "How many likes did it get?"

LONG_ANSWER = "\n\n".join(f"Part {n}: the hook, the pace and the ending of it." for n in range(1, 13))
