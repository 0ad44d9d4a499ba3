"""What schemathesis can't know: how bodies that are bytes are sent, and which answer never ends."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/zip", "application/offset+octet-stream")
def as_bytes(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@schemathesis.hook
def before_call(_context: Any, case: schemathesis.Case, _kwargs: Any) -> None:
    """A log that is followed ends with its run."""
    if case.query:
        case.query.pop("follow", None)
