"""Error responses of a hosted project, as PostgREST, Auth and the gateways in front of them write them."""

import json

from worker.local.supabase.hosted.messages import Answer

JSON = ("content-type", "application/json; charset=utf-8")
HTML = ("content-type", "text/html; charset=UTF-8")
# CORS: PostgREST and Auth let pages of any origin read their responses. A gateway's page does not have this header,
# so a browser reports a network error instead.
ANYBODY = ("access-control-allow-origin", "*")


def of_postgrest(status: int, code: str, message: str, *headers: tuple[str, str]) -> Answer:
    body = json.dumps({"code": code, "message": message, "details": None, "hint": None}).encode()
    return Answer(status, (JSON, ANYBODY, ("proxy-status", f"PostgREST; error={code}"), *headers), body)


def of_auth(status: int, code: str, message: str, *headers: tuple[str, str]) -> Answer:
    body = json.dumps({"code": status, "error_code": code, "msg": message}).encode()
    return Answer(status, (JSON, ANYBODY, *headers), body)


def of_gateway(status: int, words: str, *headers: tuple[str, str]) -> Answer:
    """An HTML page, as gateways send."""
    title = f"{status} {words}"
    page = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return Answer(status, (HTML, ("server", "cloudflare"), *headers), page.encode())


INVALID_TOKEN = ("www-authenticate", 'Bearer error="invalid_token"')
CLOCK = of_postgrest(401, "PGRST303", "JWT issued at future", INVALID_TOKEN)
BUSY = of_gateway(429, "Too Many Requests", ("retry-after", "1"))

# All of these are temporary.
POSTGREST = [
    of_postgrest(503, "PGRST000", "Database connection error. Retrying the connection."),
    of_postgrest(503, "PGRST001", "Database client error. Retrying the connection."),
    of_postgrest(503, "PGRST002", "Could not query the database for the schema cache. Retrying."),
    of_postgrest(504, "PGRST003", "Timed out acquiring connection from connection pool."),
    of_postgrest(500, "57014", "canceling statement due to statement timeout"),
    of_postgrest(500, "40001", "could not serialize access due to concurrent update"),
    of_postgrest(500, "55P03", "canceling statement due to lock timeout"),
    of_postgrest(503, "57P01", "terminating connection due to administrator command"),
    of_postgrest(401, "PGRST303", "JWT expired", INVALID_TOKEN),
    CLOCK,
]
AUTH = [
    of_auth(429, "over_request_rate_limit", "Request rate limit reached"),
    of_auth(504, "request_timeout", "Processing this request timed out, please retry after a moment."),
    of_auth(500, "unexpected_failure", "Database error finding user"),
]
GATEWAY = [
    BUSY,
    of_gateway(502, "Bad Gateway"),
    of_gateway(503, "Service Temporarily Unavailable"),
    of_gateway(504, "Gateway Time-out"),
    of_gateway(520, "Web server is returning an unknown error"),
    of_gateway(522, "Connection timed out"),
]


def for_path(path: str) -> list[Answer]:
    """The errors that can come in place of a response from this path."""
    if path.startswith("/rest/v1/"):
        return POSTGREST + GATEWAY
    return AUTH + GATEWAY if path.startswith("/auth/v1/") else GATEWAY
