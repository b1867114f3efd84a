"""Verifies access tokens and API keys, and returns their claims."""

import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import jwt

from worker.local.realtime.settings import Settings

Claims = Mapping[str, Any]

OPAQUE_PREFIX = "sb_"
LATEST = 10**15  # seconds since 1970; greater numbers are refused
CHECK_KEYS = ", check your JWT secret or JWKS configuration"


class TokenError(Exception):
    """A token that is not accepted. `code`: the server's name of the reason; `on_channel`: the message to a joined
    channel."""

    def __init__(self, code: str, message: str, on_channel: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.on_channel = on_channel or message

    @property
    def reason(self) -> str:
        """The reason in the reply to a join."""
        return f"{self.code}: {self.message}"


class TokenUnreadable(TokenError):
    """The real server fails with an unspecific error."""

    def __init__(self) -> None:
        super().__init__("UnknownErrorOnChannel", "Unknown Error on Channel")

    @property
    def reason(self) -> str:
        return self.message


class TokenExpired(TokenError):
    def __init__(self, seconds_ago: int) -> None:
        super().__init__("InvalidJWTToken", f"Token has expired {seconds_ago} seconds ago")


def is_opaque(token: str) -> bool:
    return token.startswith(OPAQUE_PREFIX)


def verify(token: str, secret: str) -> Claims:
    """The claims of a token signed with the project's secret; always with `role` and a number `exp`.

    The local stack has no other signing keys, unlike a project with a JWKS. Raises TokenError.
    """
    token = "".join(unquote(token).split())
    try:
        claims: dict[str, Any] = jwt.decode(
            token, secret, algorithms=["HS256", "HS384", "HS512"], options=_SIGNATURE_ONLY
        )
    except jwt.InvalidSignatureError as error:
        raise TokenError(
            "JwtSignatureError", "Failed to validate JWT signature", on_channel=":signature_error"
        ) from error
    except jwt.InvalidAlgorithmError as error:
        raise TokenError("JwtSignerError", f"Failed to generate JWT signer{_key_id(token)}{CHECK_KEYS}") from error
    except jwt.PyJWTError as error:
        raise TokenError("MalformedJWT", "The token provided is not a valid JWT") from error
    if "role" not in claims or "exp" not in claims:
        raise TokenError("InvalidJWTToken", "Fields `role` and `exp` are required in JWT")
    if not _is_number(claims.get("iat", 0)) or not _is_number(claims["exp"]):
        raise TokenUnreadable
    check_expiry(claims)
    return claims


def check_expiry(claims: Claims) -> None:
    remaining = seconds_left(claims)
    if remaining is not None and remaining <= 0:
        raise TokenExpired(int(-remaining))


def seconds_left(claims: Claims) -> float | None:
    """Seconds until the token expires; None for the claims of an opaque key, which does not expire."""
    return round(claims["exp"]) - time.time() if "exp" in claims else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LATEST


def _key_id(token: str) -> str:
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError:  # its kid is not text
        return ""
    return f' for key ID (kid) "{kid}"' if kid else ""


def verify_api_key(key: str, settings: Settings) -> Claims:
    """The claims of a key, which may be opaque or a token. Raises TokenError."""
    if not is_opaque(key):
        return verify(key, settings.jwt_secret)
    for known, role in ((settings.publishable_key, "anon"), (settings.secret_key, "service_role")):
        if hmac.compare_digest(key.encode(), known.encode()):
            return {"role": role}
    raise TokenError("MalformedJWT", "The token provided is not a valid JWT")


# Expiry is checked above, with the server's messages; other registered claims are not checked.
_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
