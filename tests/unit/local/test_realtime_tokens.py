"""Tokens and keys: what is accepted, and the server's words for what is not."""

import base64
import json
import re
import time

import jwt
import pytest

from worker.local.realtime import settings, tokens
from worker.local.realtime.settings import Settings, SettingsError
from worker.local.realtime.tokens import TokenError, TokenExpired

SECRET = "a secret of the tests, at least 32 bytes long"
SETTINGS = Settings(
    database_url="postgresql://", jwt_secret=SECRET, publishable_key="sb_publishable_a", secret_key="sb_secret_b"
)


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    return jwt.encode({"role": "anon", "exp": time.time() + 60} | claims, secret, algorithm)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_token_may_be_signed_in_three_ways(algorithm: str) -> None:
    assert tokens.verify(token(SECRET * 2, algorithm), SECRET * 2)["role"] == "anon"


def test_a_token_may_be_escaped_and_broken_into_lines() -> None:
    assert tokens.verify(token().replace(".", "%2E") + "\n", SECRET)["role"] == "anon"


def segments(*parts: object) -> str:
    """A token of these parts, each a value that is written as JSON; nobody signed it."""
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmVk"])


@pytest.mark.parametrize(
    "value",
    [
        segments({"alg": "none", "kid": 5}, {}),
        segments({"alg": "none", "kid": ["k"]}, {}),
        segments({"kid": "k"}, {}),
        segments({"alg": 5}, {}),
        segments({"alg": "HS256", "b64": False}, {}),
        segments({"alg": "HS256", "crit": ["x"]}, {}),
        segments([], {}),
        segments({"alg": "HS256"}, []),
        segments(None, None),
        "..",
        "a.b.c",
        "é.é.é",
        "%",
        token(exp=10**400),
        token(exp=-(10**400)),
    ],
)
def test_whatever_is_sent_for_a_token_is_refused_and_no_more(value: str) -> None:
    with pytest.raises(TokenError):
        tokens.verify(value, SECRET)


@pytest.mark.parametrize("iat", ["yesterday", True, float("inf")])
def test_a_time_of_issue_must_be_a_number(iat: object) -> None:
    with pytest.raises(TokenError):
        tokens.verify(token(iat=iat), SECRET)


def test_claims_of_a_good_token() -> None:
    assert tokens.verify(token(sub="u"), SECRET)["sub"] == "u"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no token", "MalformedJWT: The token provided is not a valid JWT"),
        (token(secret=SECRET[::-1]), "JwtSignatureError: Failed to validate JWT signature"),
        (
            jwt.encode({"role": "anon"}, "", "none"),
            "JwtSignerError: Failed to generate JWT signer, check your JWT secret or JWKS configuration",
        ),
        (
            jwt.encode({"role": "anon"}, "", "none", headers={"kid": "k"}),
            'JwtSignerError: Failed to generate JWT signer for key ID (kid) "k",'
            " check your JWT secret or JWKS configuration",
        ),
        (
            jwt.encode({"role": "anon"}, SECRET),
            "InvalidJWTToken: Fields `role` and `exp` are required in JWT",
        ),
    ],
)
def test_a_bad_token_is_refused_in_the_servers_words(value: str, reason: str) -> None:
    with pytest.raises(TokenError) as raised:
        tokens.verify(value, SECRET)
    assert raised.value.reason == reason


def test_an_expired_token_is_refused_with_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    with pytest.raises(TokenExpired) as raised:
        tokens.verify(token(exp=now - 100.5), SECRET)
    assert raised.value.reason == "InvalidJWTToken: Token has expired 100 seconds ago"


def test_a_joined_channel_hears_of_a_bad_signature_in_other_words() -> None:
    with pytest.raises(TokenError) as raised:
        tokens.verify(token(secret=SECRET[::-1]), SECRET)
    assert raised.value.on_channel == ":signature_error"


def test_opaque_keys_stand_for_roles_and_do_not_expire() -> None:
    publishable = tokens.verify_api_key("sb_publishable_a", SETTINGS)
    assert publishable == {"role": "anon"}
    assert tokens.verify_api_key("sb_secret_b", SETTINGS) == {"role": "service_role"}
    assert tokens.seconds_left(publishable) is None


def test_another_opaque_key_is_refused() -> None:
    with pytest.raises(TokenError):
        tokens.verify_api_key("sb_secret_c", SETTINGS)


def test_claims_run_out() -> None:
    with pytest.raises(TokenExpired):
        tokens.check_expiry({"role": "anon", "exp": time.time() - 1})


def test_every_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALTIME_DATABASE_URL", "postgresql://")
    monkeypatch.setenv("REALTIME_IDLE_TIMEOUT_MS", "soon")
    for name in ("SUPABASE_JWT_SECRET", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError) as raised:
        settings.load()
    assert re.findall(r"[A-Z_]{9,}", str(raised.value)) == [
        "SUPABASE_JWT_SECRET",
        "SUPABASE_PUBLISHABLE_KEY",
        "SUPABASE_SECRET_KEY",
        "REALTIME_IDLE_TIMEOUT_MS",
    ]


def test_settings_do_not_show_their_secrets() -> None:
    assert SECRET not in repr(SETTINGS)
    assert "sb_secret_b" not in repr(SETTINGS)
