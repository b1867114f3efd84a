"""Reads API keys and access tokens without verifying them: use it to refuse a wrong one, never to trust one."""

import base64
import json
from typing import Any


def is_secret(key: str) -> bool:
    """Whether this key bypasses row-level security: a secret key, or a legacy key of the role service_role."""
    return key.startswith("sb_secret_") or (claims_of(key) or {}).get("role") == "service_role"


def claims_of(token: str) -> dict[str, Any] | None:
    """The claims of a JWT, unverified; None if the text is not a JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None
