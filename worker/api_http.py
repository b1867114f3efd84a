"""How every HTTP client of ours asks the Supabase API."""

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any


def options(seconds: float) -> dict[str, Any]:
    """Words for httpx.Client and httpx.AsyncClient. `seconds`: for each step of a request."""
    return {
        "timeout": seconds,
        # HTTP/1.1. Over HTTP/2, which the library's own client speaks to a hosted project, all calls share one
        # connection: one GOAWAY, reset or lost packet ends or holds up all of them.
        "http2": False,
        # The key goes to the project and nowhere else; the library's own client would follow a redirect.
        "follow_redirects": False,
        # What a gateway wants to be remembered by concerns no later call.
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    }
