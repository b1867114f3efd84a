"""Parts of a prompt, each within its share of tokens, with a notice to the model where that is not all of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from worker.prompt import token_count, words

_NOTICE_TOKENS = 20
"""What it costs to say that some of several posts or analyses are left out."""


@dataclass(frozen=True)
class Part:
    """A label and its text, which is not empty unless all of it was too large."""

    label: str
    text: str
    whole: int = 0
    """Characters of all of it."""
    entries: str = ""
    """Of how many entries the text was made, where that is not all: "3 of 40 entries"."""
    is_cut: bool = False
    """Whether the text is only the beginning of the whole."""

    @property
    def fields(self) -> dict[str, str]:
        """Label → value; a field of its own says what is missing."""
        if not self.text:
            return {f"{self.label} left out": "too large"}
        kept = len(self.text.replace("\n    ", "\n"))
        characters = f"the first {kept:,} of its {self.whole:,} characters" if self.is_cut else ""
        notice = ", ".join(filter(None, [self.entries, characters]))
        fields = {self.label: f"{self.text} …" if self.is_cut else self.text}
        return {**fields, f"{self.label} shortened": f"these are {notice}"} if notice else fields

    @property
    def cost(self) -> int:
        return _cost(self.fields)

    @property
    def word_count(self) -> int:
        return words.count(self.label) + words.count(self.text)

    def within_words(self, most: int) -> "Part":
        return self._cut(words.beginning(self.text, most - words.count(self.label)))

    def within(self, most: int) -> dict[str, str]:
        """Its fields, as much as so many tokens hold: less text, or a word that it is left out, or nothing."""
        if self.cost <= most:
            return self.fields
        frame = replace(self, text=self.text[:1], is_cut=True, whole=max(self.whole, len(self.text)))
        longest_notice = len(f"{frame.whole:,}")
        part = self._cut(token_count.beginning(self.text, most - frame.cost - longest_notice))
        return part.fields if part.cost <= most else {}

    def _cut(self, kept: str) -> "Part":
        return self if kept == self.text else replace(self, text=kept.rstrip(), is_cut=True)


def fair(needs: Sequence[int], room: int) -> list[int]:
    """What each gets of the room: all that it needs, or as much as every other that does not get all."""
    shares = [0] * len(needs)
    for served, index in enumerate(sorted(range(len(needs)), key=needs.__getitem__)):
        shares[index] = min(needs[index], max(room, 0) // (len(needs) - served))
        room -= shares[index]
    return shares


def render(fields: dict[str, str]) -> str:
    """A line for each field; a list begins on the line after its label."""
    return "\n".join(
        f"{label}:{value}" if value[0] == "\n" else f"{label}: {value}" for label, value in fields.items()
    )


def fit(parts: Sequence[Part], most: int) -> dict[str, str]:
    """The fields of all parts within so many tokens. What is small stays whole, what is large shares the rest."""
    shares = fair([part.cost for part in parts], most)
    return {
        label: value for part, share in zip(parts, shares, strict=True) for label, value in part.within(share).items()
    }


def fit_groups(groups: Sequence[Sequence[Part]], most: int) -> str:
    """Posts, or analyses: a blank line between them, all of them within so many tokens."""
    groups = [group for group in groups if group]
    room = most - _NOTICE_TOKENS if len(groups) > 1 else most
    shares = fair([sum(part.cost for part in group) + 1 for group in groups], room)
    texts = [render(fit(group, share - 1)) for group, share in zip(groups, shares, strict=True)]
    shown = [text for text in texts if text]
    if len(shown) < len(texts):
        shown.append(f"Left out: {len(texts) - len(shown):,} of {len(texts):,}, too large")
    return "\n\n".join(shown)


def _cost(fields: dict[str, str]) -> int:
    return token_count.estimate(f"{render(fields)}\n")
