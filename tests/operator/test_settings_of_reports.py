"""Addresses and secrets for reports: what cannot be meant is refused, in words that give nothing away."""

from pathlib import Path

import pytest

from ocr_operator.errors import BadSettings
from ocr_operator.settings import Settings
from report_receiver import KEY, SECRET

REQUIRED = {"OCR_NAMESPACE": "ns", "OCR_TRAINER_IMAGE": "trainer:1", "OCR_VOLUME_CLAIM": "data"}
URL, FILE, EVENTS = "OCR_STATUS_REPORT_URL", "OCR_STATUS_REPORT_SECRET_FILE", "OCR_CLOUDEVENTS_URL"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    return file


def test_the_secret_is_read_and_never_shown(secret: Path) -> None:
    settings = Settings.from_environment(REQUIRED | {URL: "https://host/told?key=1", FILE: str(secret)})
    assert settings.status_report_secrets == (KEY,)
    assert SECRET not in repr(settings) and repr(KEY) not in repr(settings)


def test_without_an_address_no_secret_is_needed() -> None:
    settings = Settings.from_environment(REQUIRED | {FILE: "/nowhere"})
    assert settings.status_report_url is None and settings.cloudevents_url is None


@pytest.mark.parametrize(
    "url",
    ["ftp://host", "host/told", "http://", "http://host:x/", "http://host:99999", "http://[::1/", "a b"],
)
@pytest.mark.parametrize("name", [URL, EVENTS])
def test_what_is_no_address_is_refused(name: str, url: str, secret: Path) -> None:
    with pytest.raises(BadSettings, match=f"{name} is no address to post to") as refused:
        Settings.from_environment(REQUIRED | {FILE: str(secret), name: url})
    assert "https://host:port/path" in str(refused.value)


@pytest.mark.parametrize("url", ["https://user:letmein@host/", "https://host/#letmein"])
def test_an_address_with_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadSettings, match="must hold neither a user") as refused:
        Settings.from_environment(REQUIRED | {EVENTS: url})
    assert "letmein" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "it is empty"),
        (b"correct horse battery staple", "a secret is whsec_ and 24 to 64 bytes in base64"),
        (b"\xff\xfe", "holds no text"),
    ],
)
def test_what_is_no_secret_is_refused_and_not_repeated(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadSettings) as refused:
        Settings.from_environment(REQUIRED | {URL: "http://host/", FILE: str(file)})
    assert str(refused.value).startswith(f"{FILE}: {file}") and message in str(refused.value)
    assert "horse" not in str(refused.value)


def test_unsigned_reports_are_refused() -> None:
    with pytest.raises(BadSettings, match=f"{FILE} is not set"):
        Settings.from_environment(REQUIRED | {URL: "http://host/"})
