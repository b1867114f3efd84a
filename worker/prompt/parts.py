"""Parts of a prompt, each within its share of tokens, with a notice to the model where text is missing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from worker.prompt import token_count, words

_NOTICE_TOKENS = 20
"""The cost of the notice that some of several posts or analyses are left out."""


@dataclass(frozen=True)
class Part:
    """A label and its text, which is empty only if all of it was too large."""

    label: str
    text: str
    whole: int = 0
    """Characters of the original text."""
    entries: str = ""
    """How many entries the text has, if some are missing, as in "3 of 40 entries"; else empty."""
    is_cut: bool = False
    """Whether the text is only the beginning of the original."""

    @property
    def fields(self) -> dict[str, str]:
        """Label → value; a further field describes what is missing."""
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
        """Its fields within `most` tokens: the whole text, or a beginning of it, or nothing."""
        if self.cost <= most:
            return self.fields
        frame = replace(self, text=self.text[:1], is_cut=True, whole=max(self.whole, len(self.text)))
        longest_notice = len(f"{frame.whole:,}")
        part = self._cut(token_count.beginning(self.text, most - frame.cost - longest_notice))
        return part.fields if part.cost <= most else {}

    def _cut(self, kept: str) -> "Part":
        return self if kept == self.text else replace(self, text=kept.rstrip(), is_cut=True)


def fair(needs: Sequence[int], room: int) -> list[int]:
    """Shares of `room`: each gets what it needs, or the same as every other that does not get all."""
    shares = [0] * len(needs)
    for served, index in enumerate(sorted(range(len(needs)), key=needs.__getitem__)):
        shares[index] = min(needs[index], max(room, 0) // (len(needs) - served))
        room -= shares[index]
    return shares


def render(fields: dict[str, str]) -> str:
    """One line for each field; a list begins on the line after its label."""
    return "\n".join(
        f"{label}:{value}" if value[0] == "\n" else f"{label}: {value}" for label, value in fields.items()
    )


def fit(parts: Sequence[Part], most: int) -> dict[str, str]:
    """The fields of all parts within `most` tokens: small parts stay whole, large ones share the rest."""
    shares = fair([part.cost for part in parts], most)
    return {
        label: value for part, share in zip(parts, shares, strict=True) for label, value in part.within(share).items()
    }


def fit_groups(groups: Sequence[Sequence[Part]], most: int) -> str:
    """The text of all posts or all analyses, with a blank line between two, within `most` tokens."""
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
