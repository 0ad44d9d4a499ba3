"""What the operator hands to a stage's pod: one JSON document in an environment variable.

The document is complete and immutable for the life of the pod: a stage never reads the resource.
"""

from typing import Final

from ocr_contract.names import run_hash, test_hash
from ocr_contract.spec import SpecModel, Test, Train

STAGE_INPUT_VARIABLE: Final = "OCR_STAGE_INPUT"
"""A `StageInput` as JSON."""
POD_UID_VARIABLE: Final = "OCR_POD_UID"
"""The pod's uid by the downward API: what the owner file of a stage's folder holds."""

RUN_MOUNT: Final = "/data/run"
"""The training run's folder (read-only in a test's pod)."""
TEST_MOUNT: Final = "/data/test"
"""The test's folder, in a test's pod only."""
INIT_MOUNT: Final = "/data/init"
"""What `initFrom` names, read-only: another run's folder, or the folder of a .pth file (`init_subpath`)."""


class StageInput(SpecModel):
    """`train` is the run itself or, for a test of its own (`test` set), the run whose model is tested."""

    namespace: str = ""
    name: str = ""
    """namespace and name of the OcrProject; empty: there is no Kubernetes, the volume alone is written."""
    project_id: str
    train: Train
    test: Test | None = None
    gpus: int = 0

    @property
    def run_key(self) -> str:
        """What tells this run or test from another in the same folder: the hash of its id and revision."""
        if self.test is not None:
            return test_hash(self.test.id, self.test.revision)
        return run_hash(self.train.id, self.train.revision)
