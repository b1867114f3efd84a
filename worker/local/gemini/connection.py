"""The connection under a request, for the faults that no HTTP response can express."""

import asyncio
import socket
import struct

from uvicorn.protocols.http.h11_impl import H11Protocol

_NO_LINGER = struct.pack("ii", 1, 0)


class OpenProtocol(H11Protocol):
    """uvicorn's own, but each request knows its connection: `request.state.transport`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def reset(transport: asyncio.Transport) -> None:
    """RST, as a crashed peer or a firewall sends it: without linger, the kernel does not say goodbye."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def close(transport: asyncio.Transport) -> None:
    """FIN, in the middle of whatever was being said."""
    transport.close()
