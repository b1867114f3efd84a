"""The stand-ins answer to names of this machine alone: another site may point its own here, and a browser follows."""

import os

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

NAMES = ("127.0.0.1", "localhost")
SETTING = "LOCAL_NAMES"


def required(app: ASGIApp) -> ASGIApp:
    """The app, with 400 for a request or a socket whose `Host` is another."""
    return TrustedHostMiddleware(app, os.environ.get(SETTING, ",".join(NAMES)).split(","), www_redirect=False)
