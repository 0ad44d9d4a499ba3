"""The resource's address and the labels that tie Jobs and pods to it."""

from typing import Final

GROUP: Final = "ocrproject.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "OcrProject"
PLURAL: Final = "ocrprojects"

LABEL_PROJECT: Final = f"{GROUP}/project"
"""metadata.name of the OcrProject that owns the object."""
LABEL_STAGE: Final = f"{GROUP}/stage"
LABEL_RUN: Final = f"{GROUP}/run"
"""Short hash of (id, revision): `names.run_hash`."""
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
"""Which Job of the stage it is, counted from 0."""
ANNOTATION_PROJECT_ID: Final = f"{GROUP}/project-id"
ANNOTATION_RUN_ID: Final = f"{GROUP}/run-id"

OPERATOR_FIELD_MANAGER: Final = "ocr-operator"
API_FIELD_MANAGER: Final = "ocr-api"


def trainer_field_manager(stage: str) -> str:
    """The server-side apply manager under which one stage writes its part of `status.trainer`."""
    return f"ocr-trainer-{stage}"
