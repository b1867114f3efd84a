"""What one client may take of a server: so much memory, so many requests at a time, and never a thread for ever.

Waitress has limits of sizes. It has none for a client that sends a byte a minute, that asks again and again without
reading an answer (a thread waits for it, with no limit), or that opens connections until nobody else gets one.
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
LARGEST_BODY = 128 * 1024  # bytes; above what any endpoint takes, which refuses in its own words what is between
CONNECTIONS = 500  # open at the same time; with what else is open, well below the usual 1,024 files of a process
BESIDE_CONNECTIONS = 200  # of each of the worker's two ports, for the same reason
MOST_AHEAD = 8  # requests that a connection may send before their answers
HEAD_SECONDS = 10.0  # to send a request's line and headers
REQUEST_SECONDS = 30.0  # to send a request
ANSWER_SECONDS = 600.0  # to read an answer
STALL_SECONDS = 30.0  # in which nothing of it was read
IDLE_SECONDS = 120  # between two requests
LOOK_SECONDS = 2  # between two looks at all this

ADJUSTMENTS: dict[str, int] = {
    "max_request_header_size": LARGEST_HEADER,
    "max_request_body_size": LARGEST_BODY,
    "connection_limit": CONNECTIONS + 2,  # the listener and the trigger are counted, too
    "channel_timeout": IDLE_SECONDS,
    "cleanup_interval": LOOK_SECONDS,
    # The gate before the figures looks for them; nothing believes one, but that TLS ends at a proxy before the page.
    "clear_untrusted_proxy_headers": False,
    # A client that goes is no event, and logging each would let one fill the disk.
    "log_socket_errors": False,
}


class Channel(HTTPChannel):  # type: ignore[misc]
    """One client's connection."""

    parser_class = Request

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.asks_since = self.owed_since = self.creation_time
        """When it began to send the request that is not complete, and to be owed what it has not read."""
        self.network = network_of(str(self.addr[0]))

    def received(self, data: bytes) -> Any:
        taken = super().received(data)
        if len(self.requests) > MOST_AHEAD:
            self.handle_close()
        return taken

    def is_late(self, now: float) -> bool:
        """To be called now and then: between two calls it is either in time, or was late at the first."""
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
        """The loop then closes it. Closed here, its number could be another client's before the loop gets to it; and
        told that it will close, it would wait until its client reads."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class Listener(TcpWSGIServer):  # type: ignore[misc]
    """Ends who is late, and, where there is no room left, the oldest of those that nothing is being done for, first
    those of the address that has most of them. Behind a proxy all have one."""

    channel_class = Channel

    def readable(self) -> Any:
        # Before it is full: at the limit waitress logs a line each time, and a stranger could fill the disk.
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
        """New connections; those that are open are still served."""
        wasyncore.dispatcher.close(self)

    def hang_up_idle(self) -> None:
        """On those that nothing is asked on and nothing is owed to."""
        for channel in list(self.active_channels.values()):
            if not channel.requests and channel.request is None and not channel.total_outbufs_len:
                channel.hang_up()

    def _make_room(self, count: int) -> None:
        waiting = [channel for channel in self.active_channels.values() if not channel.requests]
        held = Counter(channel.network for channel in waiting)
        for channel in sorted(waiting, key=lambda each: (-held[each.network], each.creation_time))[:count]:
            channel.hang_up()
