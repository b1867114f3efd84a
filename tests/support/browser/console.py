"""What Chromium writes into the console about a server that does not answer."""

# What Chromium writes into the console about a server that does not answer.
SOCKET_LOST = r"WebSocket connection to 'ws://127\.0\.0\.1:\d+/realtime/v1/websocket"

REFUSED = r"Failed to load resource: net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|FAILED)"
