"""The environment's proxies, brought into one form that every HTTP client of a process reads the same.

httpx, google-genai's httpx2, websockets and requests each read HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY on
their own. They differ in what they take (ALL_PROXY, an address without a scheme), end in errors that name no setting,
and all of them would ask a proxy for this machine's own loopback, which no proxy can reach.
"""

import os
import ssl
from collections.abc import Iterable
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

import httpx

from worker.errors import ConfigError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# What each is for, as urllib has it, and the scheme of an address without one. The last three: for websockets alone.
DEFAULT_SCHEMES = {"http": "http", "https": "http", "all": "http", "ws": "http", "wss": "http", "socks": "socks5"}
SCHEMES = ("http", "https", "socks5", "socks5h")
SOCKS_PORT = 1080
EXAMPLES = "It must look like http://proxy.example:3128 or socks5://proxy.example:1080"


def settle() -> None:
    """Rewrite the proxies in the environment of this process. Raises ConfigError with a line for each setting that
    cannot be used; no line repeats its value, which may hold a password. To be called before a client is made."""
    found, exceptions = _found(), _name("no")
    problems = []
    for what, url in found.items():
        try:
            found[what] = _in_form(url, DEFAULT_SCHEMES[what])
        except ValueError as error:
            problems.append(f"{_name(what)}: {error}. {EXAMPLES}.")
    if problems:
        raise ConfigError("Settings that cannot be used:\n  " + "\n  ".join(problems))
    if "all" in found:  # websockets does not know it
        found = {"http": found["all"], "https": found["all"], **found}
    for what, url in found.items():
        _write(f"{what}_proxy", url)
    spare(LOOPBACK)
    try:
        httpx.Client(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).close()  # it reads the list as it is made
    except (ValueError, httpx.InvalidURL):
        words = "It cannot be read. It must look like localhost,.example.com,10.0.0.7"
        raise ConfigError(f"Settings that cannot be used:\n  {exceptions}: {words}.") from None


def spare(hosts: Iterable[str]) -> None:
    """From now on these are asked directly."""
    if not _found():
        return  # on some systems NO_PROXY alone would hide the system's own proxies
    spared = [host for part in getproxies_environment().get("no", "").split(",") if (host := part.strip(" []"))]
    if "*" in spared:
        _write("no_proxy", "*")  # urllib knows it only alone
    else:
        _write("no_proxy", ",".join(dict.fromkeys([*spared, *hosts])))


def _found() -> dict[str, str]:
    return {what: url for what, url in getproxies_environment().items() if what in DEFAULT_SCHEMES}


def _in_form(url: str, default_scheme: str) -> str:
    """The URL in full. Raises ValueError with a sentence that does not repeat it."""
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
    """The variable that counts, as it is written: the lower case one goes first."""
    name = f"{what}_proxy"
    return name if name in os.environ else name.upper()


def _write(name: str, value: str) -> None:
    """In both cases: programs differ in which one goes first."""
    os.environ[name] = os.environ[name.upper()] = value
