"""Prevents DNS rebinding: the stand-ins accept only this machine's names as `Host`."""

import os

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

NAMES = ("127.0.0.1", "localhost")
SETTING = "LOCAL_NAMES"


def required(app: ASGIApp) -> ASGIApp:
    """The app, which then answers 400 to a request or WebSocket with another `Host`."""
    return TrustedHostMiddleware(app, os.environ.get(SETTING, ",".join(NAMES)).split(","), www_redirect=False)
