"""The operator's settings: read once from the environment, which the chart fills from its values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from ocr_operator.errors import BadSettings
from ocr_operator.stage_pods import StagePods
from ocr_operator.telling.signing import parse_secrets

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
LOG_FORMATS = ("text", "json")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One release serves one namespace and one volume."""

    namespace: str
    trainer_image: str
    volume_claim: str
    """The PersistentVolumeClaim that holds train/ and test/."""
    trainer_image_pull_policy: str = "IfNotPresent"
    trainer_service_account: str = "ocr-trainer"
    gpu_resource: str = "nvidia.com/gpu"
    stage_pods: StagePods = field(default_factory=StagePods)
    log_format: str = "text"
    health_port: int = 8080
    lease_name: str = "ocr-operator"
    lease_seconds: int = 15
    """How long a standby waits for a sign of the leader's life."""
    lease_renew_seconds: float = 10.0
    """How long a leader works on without having renewed."""
    lease_retry_seconds: float = 2.0
    """How often a leader renews."""
    blind_seconds: float = 60.0
    """How long what was written may take to come back through a watch."""
    watch_silence_seconds: float = 70.0
    """How long a watch may be silent before it is opened again: bookmarks come each minute."""
    status_report_url: str | None = None
    """Where the platform wants to be told what `/status` would answer."""
    status_report_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    cloudevents_url: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings, or BadSettings that names the variable."""

        def required(name: str) -> str:
            if not environment.get(name):
                raise BadSettings(f"{name} is not set")
            return environment[name]

        def one_of(name: str, default: str, allowed: tuple[str, ...]) -> str:
            value = environment.get(name) or default
            if value not in allowed:
                raise BadSettings(f"{name} is {value!r}: it must be one of {', '.join(allowed)}")
            return value

        report_url = _url(environment, "OCR_STATUS_REPORT_URL")
        lease, renew, retry = _lease_times(environment, cls)
        port = environment.get("OCR_HEALTH_PORT") or "8080"
        if not port.isdecimal() or int(port) > 65535:
            raise BadSettings(f"OCR_HEALTH_PORT is {port!r}: it must be a port number")
        return cls(
            namespace=required("OCR_NAMESPACE"),
            trainer_image=required("OCR_TRAINER_IMAGE"),
            volume_claim=required("OCR_VOLUME_CLAIM"),
            trainer_image_pull_policy=one_of(
                "OCR_TRAINER_IMAGE_PULL_POLICY", cls.trainer_image_pull_policy, PULL_POLICIES
            ),
            trainer_service_account=environment.get("OCR_TRAINER_SERVICE_ACCOUNT")
            or cls.trainer_service_account,
            gpu_resource=environment.get("OCR_GPU_RESOURCE") or cls.gpu_resource,
            stage_pods=StagePods.parse(environment.get("OCR_STAGE_PODS") or "{}", "OCR_STAGE_PODS"),
            log_format=one_of("OCR_LOG_FORMAT", cls.log_format, LOG_FORMATS),
            health_port=int(port),
            lease_name=environment.get("OCR_LEASE_NAME") or cls.lease_name,
            lease_seconds=lease,
            lease_renew_seconds=renew,
            lease_retry_seconds=retry,
            blind_seconds=_seconds(environment, "OCR_BLIND_SECONDS", cls.blind_seconds),
            watch_silence_seconds=_seconds(
                environment, "OCR_WATCH_SILENCE_SECONDS", cls.watch_silence_seconds
            ),
            status_report_url=report_url,
            status_report_secrets=_secrets(environment) if report_url else (),
            cloudevents_url=_url(environment, "OCR_CLOUDEVENTS_URL"),
        )


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise BadSettings(f"{name} is {text!r}: it must be a number of seconds above 0")
    return value


def _lease_times(environment: Mapping[str, str], default: type[Settings]) -> tuple[int, float, float]:
    """How long the Lease holds, how long its holder may go without renewing, and how often it renews."""
    text = environment.get("OCR_LEASE_SECONDS") or str(default.lease_seconds)
    if not text.isdecimal() or int(text) < 1:
        raise BadSettings(f"OCR_LEASE_SECONDS is {text!r}: it must be a whole number of seconds, 1 or more")
    holds = int(text)
    renew = _seconds(environment, "OCR_LEASE_RENEW_SECONDS", default.lease_renew_seconds)
    retry = _seconds(environment, "OCR_LEASE_RETRY_SECONDS", default.lease_retry_seconds)
    if not retry < renew < holds:
        raise BadSettings(
            f"OCR_LEASE_RETRY_SECONDS ({retry:g}), OCR_LEASE_RENEW_SECONDS ({renew:g}) and"
            f" OCR_LEASE_SECONDS ({holds}) must each be less than the next"
        )
    return holds, renew, retry


def _url(environment: Mapping[str, str], name: str) -> str | None:
    """An address to post to. The messages don't repeat it: it may hold a token."""
    url = environment.get(name)
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise BadSettings(f"{name} is no address to post to: it must look like https://host:port/path")
    if parts.username is not None or parts.fragment:
        raise BadSettings(f"{name} must hold neither a user (user@host) nor a fragment (#...)")
    return url


def _secrets(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """What status reports are signed with: they are never sent unsigned."""
    name = "OCR_STATUS_REPORT_SECRET_FILE"
    path = environment.get(name)
    if not path:
        raise BadSettings(f"{name} is not set: status reports are signed, so a secret is needed")
    try:
        return parse_secrets(Path(path).read_text(encoding="ascii"))
    except OSError as error:
        raise BadSettings(f"{name}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise BadSettings(f"{name}: {path} holds no text") from None
    except ValueError as error:
        raise BadSettings(f"{name}: {path}: {error}") from None
