"""Signatures by Standard Webhooks (standardwebhooks.com).

The scheme signs the id and the time of the attempt with the body: neither can be changed, nor can somebody
who listens send an old report again. A receiver needs no code of ours: most languages have a library.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
HOW_TO_MAKE_ONE = f'echo "{PREFIX}$(head -c 32 /dev/urandom | base64 -w0)"'


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """One secret a line; all of them sign, so that a new one can be added before the old one goes.

    ValueError says what is wrong, and never a part of a secret.
    """
    secrets = tuple(_parse(line.strip()) for line in text.splitlines() if line.strip())
    if not secrets:
        raise ValueError(f"it is empty; make a secret with: {HOW_TO_MAKE_ONE}")
    return secrets


def _parse(line: str) -> bytes:
    encoded = line.removeprefix(PREFIX)
    try:
        secret = base64.b64decode(encoded, validate=True) if encoded != line else b""
    except binascii.Error:
        secret = b""
    if not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise ValueError(
            f"a secret is {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64; "
            f"make one with: {HOW_TO_MAKE_ONE}"
        )
    return secret


def signed_headers(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt."""
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signatures = (hmac.new(secret, content, hashlib.sha256).digest() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in signatures),
    }
