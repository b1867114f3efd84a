"""What goes through a gateway, in either version of HTTP: a request, and its answer."""

from dataclasses import dataclass, replace
from typing import Self

# Of one hop, or of a form in which the body is not handed on.
OF_THE_CONNECTION = {
    "connection", "content-encoding", "content-length", "keep-alive", "proxy-connection", "transfer-encoding",
    "upgrade",
}  # fmt: skip

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """`target`: the path with what stands behind the question mark. Names of headers are in small letters."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def at(self, target: str) -> Self:
        return replace(self, target=target)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")
