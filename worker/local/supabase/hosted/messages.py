"""A request and a response, independent of the version of HTTP."""

from dataclasses import dataclass, replace
from typing import Self

# Hop-by-hop headers, and headers about an encoding of the body, which is forwarded decoded.
OF_THE_CONNECTION = {
    "connection", "content-encoding", "content-length", "keep-alive", "proxy-connection", "transfer-encoding",
    "upgrade",
}  # fmt: skip

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """`target`: path and query. Header names are in lower case."""

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
