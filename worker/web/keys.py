"""What a key or an access token says of itself. Nothing here is verified: it is for refusing, never for trusting."""

import base64
import json


def is_secret(key: str) -> bool:
    """Whether this key passes row-level security: a secret key, or one of the older kind with that role."""
    return key.startswith("sb_secret_") or role_of(key) == "service_role"


def role_of(token: str) -> object:
    """The role that a JWT claims; None for whatever is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims.get("role") if isinstance(claims, dict) else None
