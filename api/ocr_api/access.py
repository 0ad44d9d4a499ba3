"""Who may call: a bearer token from a mounted secret, reread when it changes."""

import hmac
import logging
from pathlib import Path

from ocr_api.errors import Unauthorized, Unavailable

logger = logging.getLogger(__name__)

MIN_TOKEN_CHARACTERS = 16
_ASK = {"WWW-Authenticate": "Bearer"}


class Access:
    """The tokens in a file, one a line: two while one replaces the other. No file: everybody may call."""

    def __init__(self, token_file: Path | None) -> None:
        self._file = token_file
        self._read: tuple[int, int, int] | None = None
        self._tokens: list[bytes] = []

    @property
    def open(self) -> bool:
        return self._file is None

    def check(self, token: str | None) -> None:
        """Unauthorized where the token is missing or wrong, found out in constant time."""
        if self._file is None:
            return
        tokens = self._current(self._file)
        if token is None:
            raise Unauthorized("this call needs a token: send `Authorization: Bearer TOKEN`", headers=_ASK)
        matches = [hmac.compare_digest(token.encode(), right) for right in tokens]
        if not any(matches):
            raise Unauthorized("the token is not the right one", headers=_ASK)

    @property
    def tokens(self) -> list[bytes]:
        """Those that are right now; none where everybody may call."""
        return [] if self._file is None else self._current(self._file)

    def _current(self, file: Path) -> list[bytes]:
        try:
            found = file.stat()
            version = (found.st_ino, found.st_size, found.st_mtime_ns)
            if version != self._read:
                self._tokens = read_tokens(file)
                self._read = version
                logger.info("Read %d token(s)", len(self._tokens))
        except (OSError, ValueError) as error:
            logger.error("The token can't be read: %s", error)
            raise Unavailable("the facade's token can't be read; its log says more") from None
        return self._tokens


def read_tokens(file: Path) -> list[bytes]:
    """The file's tokens; ValueError where there is none, or one so short that it could be guessed."""
    tokens = [line.strip().encode() for line in file.read_text().splitlines() if line.strip()]
    if not tokens:
        raise ValueError(f"{file} holds no token")
    if any(len(token) < MIN_TOKEN_CHARACTERS for token in tokens):
        raise ValueError(f"{file} holds a token of fewer than {MIN_TOKEN_CHARACTERS} characters")
    return tokens
