"""What a key or an access token says of itself. Nothing here is verified: it is for refusing, never for trusting."""

import base64
import json
from typing import Any


def is_secret(key: str) -> bool:
    """Whether this key passes row-level security: a secret key, or one of the older kind with that role."""
    return key.startswith("sb_secret_") or (claims_of(key) or {}).get("role") == "service_role"


def claims_of(token: str) -> dict[str, Any] | None:
    """What a JWT claims; None for whatever is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None
