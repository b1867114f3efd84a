"""Access tokens of users."""

import base64
import json


def token_of(role: str, sub: str = "a-user") -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"role": role, "sub": sub}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"
