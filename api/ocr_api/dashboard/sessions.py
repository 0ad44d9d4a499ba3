"""Signing in: a cookie that proves for half a day that its holder had the token.

It holds when it ends and a code made of that and the token, so that every replica knows it without a store,
and a token that is replaced takes its sessions with it.
"""

import hashlib
import hmac
from collections.abc import Sequence

COOKIE = "ocr_session"
SECONDS = 12 * 3600


def make_session(token: bytes, now: float) -> str:
    """The cookie's value."""
    ends = str(int(now) + SECONDS)
    return f"{ends}.{_code(token, ends)}"


def is_session(cookie: str, tokens: Sequence[bytes], now: float) -> bool:
    """Whether one of the tokens made it, and not too long ago."""
    ends, _, code = cookie.partition(".")
    if not ends.isdecimal() or int(ends) < now:
        return False
    matches = [hmac.compare_digest(code, _code(token, ends)) for token in tokens]
    return any(matches)


def _code(token: bytes, ends: str) -> str:
    return hmac.new(token, f"dashboard session until {ends}".encode(), hashlib.sha256).hexdigest()
