"""The operator's settings: read once from the environment, which the chart fills from its values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ocr_operator.errors import BadSettings

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
    log_format: str = "text"
    health_port: int = 8080

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
            log_format=one_of("OCR_LOG_FORMAT", cls.log_format, LOG_FORMATS),
            health_port=int(port),
        )
