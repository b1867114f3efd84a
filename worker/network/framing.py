"""Refuses a request whose length is given in two ways, and closes its connection (RFC 9112, 6.1 and 6.3).

Waitress uses one of the two and goes on. A proxy that uses the other would take the rest for another client's
request: request smuggling.
"""

import re

from waitress.parser import HTTPRequestParser, ParsingError

_FRAMING = re.compile(
    rb"^(content-length|transfer-encoding)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*$", re.IGNORECASE | re.MULTILINE
)


class Request(HTTPRequestParser):  # type: ignore[misc]
    def parse_header(self, header_plus: bytes) -> None:
        if wrong := _what_is_wrong(header_plus.replace(b"\r\n", b"\n")):
            raise ParsingError(wrong)
        super().parse_header(header_plus)


def _what_is_wrong(head: bytes) -> str | None:
    found = [(name.lower(), value.lower()) for name, value in _FRAMING.findall(head)]
    if len(found) > 1:
        return "Content-Length and Transfer-Encoding may be sent once, and only one of them"
    if found and found[0][0] == b"transfer-encoding":
        if not head.partition(b"\n")[0].rstrip().endswith(b"HTTP/1.1"):
            return "Transfer-Encoding is not of this version of HTTP"
        # Other encodings are refused by waitress, as not implemented.
        if not found[0][1] or found[0][1].count(b"chunked") > 1:
            return "Transfer-Encoding is invalid"
    return None
