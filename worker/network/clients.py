"""Limits for each client of a server: memory, pipelined requests, connections, and time.

Waitress limits sizes only. These classes also end clients that send very slowly, that send requests without reading
the responses (each would block a thread without a limit), or that open so many connections that others get none.
"""

import contextlib
import socket
from collections import Counter
from typing import Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

from worker.network.addresses import network_of
from worker.network.framing import Request

LARGEST_HEADER = 64 * 1024  # bytes of a request's line and headers
LARGEST_BODY = 128 * 1024  # bytes; above the limits of all endpoints, so that they can refuse with their own message
CONNECTIONS = 500  # open at the same time; together with other files, well below the usual limit of 1,024
BESIDE_CONNECTIONS = 200  # of each of the worker's two ports, for the same reason
MOST_AHEAD = 8  # requests that a connection may send before it gets a response
HEAD_SECONDS = 10.0  # in which a request's line and headers must arrive
REQUEST_SECONDS = 30.0  # in which a whole request must arrive
ANSWER_SECONDS = 600.0  # in which a response must be read
STALL_SECONDS = 30.0  # longest pause while a response is read
IDLE_SECONDS = 120  # between two requests
LOOK_SECONDS = 2  # between two checks of these times

ADJUSTMENTS: dict[str, int] = {
    "max_request_header_size": LARGEST_HEADER,
    "max_request_body_size": LARGEST_BODY,
    "connection_limit": CONNECTIONS + 2,  # waitress counts the listener and its trigger as well
    "channel_timeout": IDLE_SECONDS,
    "cleanup_interval": LOOK_SECONDS,
    # Kept, since the gate of the figures refuses requests with such headers. Nothing trusts their values, but for
    # X-Forwarded-Proto, by which the cookie of /ops is marked Secure.
    "clear_untrusted_proxy_headers": False,
    # A client that disconnects is normal, and a line for each would let a client fill the disk.
    "log_socket_errors": False,
}


class Channel(HTTPChannel):  # type: ignore[misc]
    """One client's connection."""

    parser_class = Request

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.asks_since = self.owed_since = self.creation_time
        """Since when a request is incomplete, and since when a part of a response is unread."""
        self.network = network_of(str(self.addr[0]))

    def received(self, data: bytes) -> Any:
        taken = super().received(data)
        if len(self.requests) > MOST_AHEAD:
            self.handle_close()
        return taken

    def is_late(self, now: float) -> bool:
        """Whether one of the time limits is over. Called every LOOK_SECONDS; it also resets the two clocks."""
        if self.request is None or self.requests:
            self.asks_since = now
        if not self.total_outbufs_len:
            self.owed_since = now
        has_head = self.request is None or self.request.headers_finished
        return (
            now - self.asks_since > (REQUEST_SECONDS if has_head else HEAD_SECONDS)
            or now - self.owed_since > ANSWER_SECONDS
            or (bool(self.total_outbufs_len) and now - max(self.last_activity, self.owed_since) > STALL_SECONDS)
        )

    def hang_up(self) -> None:
        """Shut the socket down; the loop then closes it. Closed here, its descriptor could be reused before the loop
        handles it; and waitress' own `will_close` waits until the client has read everything."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """Closes connections that are late. Close to the limit of connections it also closes idle ones: first those of
    the address that has the most, and of these the oldest. Behind a proxy all clients have one address."""

    channel_class = Channel

    def readable(self) -> Any:
        # Before the limit is reached: there waitress logs a line for each connection, which could fill the disk.
        at_a_time = max(1, self.adj.connection_limit // 20)
        if len(self._map) >= self.adj.connection_limit - at_a_time:
            self._make_room(at_a_time)
        return super().readable()

    def maintenance(self, now: float) -> None:
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            if channel.is_late(now):
                channel.hang_up()

    def refuse_more(self) -> None:
        """Accept no new connections; open ones are still served."""
        wasyncore.dispatcher.close(self)

    def hang_up_idle(self) -> None:
        """Close connections without a request or an unread response."""
        for channel in list(self.active_channels.values()):
            if not channel.requests and channel.request is None and not channel.total_outbufs_len:
                channel.hang_up()

    def _make_room(self, count: int) -> None:
        waiting = [channel for channel in self.active_channels.values() if not channel.requests]
        held = Counter(channel.network for channel in waiting)
        for channel in sorted(waiting, key=lambda each: (-held[each.network], each.creation_time))[:count]:
            channel.hang_up()
