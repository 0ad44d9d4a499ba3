"""The stages of a run, in order. Each is one Job; only some of them use a GPU."""

from enum import StrEnum


class Stage(StrEnum):
    PREPARE = "prepare"
    DETECTION = "detection"
    RECOGNITION = "recognition"
    PACKAGE = "package"
    TEST = "test"


TRAIN_STAGES = (Stage.PREPARE, Stage.DETECTION, Stage.RECOGNITION, Stage.PACKAGE)
GPU_STAGES = frozenset({Stage.DETECTION, Stage.RECOGNITION, Stage.TEST})
