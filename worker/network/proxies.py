"""Normalises the proxy variables of the environment, so that all HTTP libraries of the process read them alike.

httpx, google-genai's httpx2, websockets and requests each read HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY on
their own. They differ in what they support (ALL_PROXY, an address without a scheme), raise errors that name no
setting, and all of them would use a proxy for loopback addresses of this machine, which no proxy can reach.
"""

import os
import ssl
from collections.abc import Iterable
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

import httpx

from worker.errors import ConfigError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Kind of proxy, as urllib names it → default scheme. The last three are read by websockets only.
DEFAULT_SCHEMES = {"http": "http", "https": "http", "all": "http", "ws": "http", "wss": "http", "socks": "socks5"}
SCHEMES = ("http", "https", "socks5", "socks5h")
SOCKS_PORT = 1080
EXAMPLES = "It must look like http://proxy.example:3128 or socks5://proxy.example:1080"


def settle() -> None:
    """Rewrite the proxy variables of this process. Call it before any client is created.

    Raises ConfigError with a line for each variable that cannot be used; no line contains its value, which may hold a
    password.
    """
    found, exceptions = _found(), _name("no")
    problems = []
    for what, url in found.items():
        try:
            found[what] = _in_form(url, DEFAULT_SCHEMES[what])
        except ValueError as error:
            problems.append(f"{_name(what)}: {error}. {EXAMPLES}.")
    if problems:
        raise ConfigError("Settings that cannot be used:\n  " + "\n  ".join(problems))
    if "all" in found:  # websockets does not read ALL_PROXY
        found = {"http": found["all"], "https": found["all"], **found}
    for what, url in found.items():
        _write(f"{what}_proxy", url)
    spare(LOOPBACK)
    try:
        httpx.Client(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).close()  # reads NO_PROXY
    except (ValueError, httpx.InvalidURL):
        words = "It cannot be read. It must look like localhost,.example.com,10.0.0.7"
        raise ConfigError(f"Settings that cannot be used:\n  {exceptions}: {words}.") from None


def spare(hosts: Iterable[str]) -> None:
    """Add these hosts to NO_PROXY: from now on they are connected to directly."""
    if not _found():
        return  # on some systems a NO_PROXY alone would disable the system's proxy settings
    spared = [host for part in getproxies_environment().get("no", "").split(",") if (host := part.strip(" []"))]
    if "*" in spared:
        _write("no_proxy", "*")  # urllib accepts it only as the whole value
    else:
        _write("no_proxy", ",".join(dict.fromkeys([*spared, *hosts])))


def _found() -> dict[str, str]:
    return {what: url for what, url in getproxies_environment().items() if what in DEFAULT_SCHEMES}


def _in_form(url: str, default_scheme: str) -> str:
    """The complete URL. Raises ValueError with a sentence that does not contain it."""
    url = url.strip()
    scheme, _, rest = url.rpartition("://")
    scheme = {"": default_scheme, "socks": "socks5"}.get(scheme.lower(), scheme.lower())
    if scheme not in SCHEMES:
        raise ValueError("Only http, https and SOCKS 5 proxies are supported")
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        url = f"{scheme}://{parts.netloc.removesuffix(':')}"
        httpx.Proxy(url)
        has_port = parts.port is not None
    except (ValueError, httpx.InvalidURL):
        raise ValueError("It is no URL") from None
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment or set(url) & set(" \t"):
        raise ValueError("A proxy's URL has a host and a port, and nothing behind them")
    if parts.username is not None and parts.password is None:
        raise ValueError("It has a user name without a password")
    return url if has_port or not scheme.startswith("socks") else f"{url}:{SOCKS_PORT}"


def _name(what: str) -> str:
    """The variable that is in effect: the lower-case one has precedence."""
    name = f"{what}_proxy"
    return name if name in os.environ else name.upper()


def _write(name: str, value: str) -> None:
    """In lower and upper case, since programs differ in which one they prefer."""
    os.environ[name] = os.environ[name.upper()] = value
