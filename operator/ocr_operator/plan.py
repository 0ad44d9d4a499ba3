"""Which stages a spec asks for, in which order. Stages of one group may run at the same time."""

from dataclasses import dataclass

from ocr_contract import names
from ocr_contract.spec import OcrProjectSpec, Order, Test, Train
from ocr_contract.stages import Stage

Groups = tuple[tuple[Stage, ...], ...]


@dataclass(frozen=True)
class Track:
    """One line of stages: a training run, or a test of its own."""

    kind: str
    """"train" or "test", as in spec and status."""
    id: str
    revision: int
    hash: str
    """What names it in Jobs, labels and the trainer's reports."""
    groups: Groups
    suspend: bool

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(stage for group in self.groups for stage in group)


def train_groups(train: Train) -> Groups:
    """prepare, detection, recognition, package, and the test if asked for."""
    models = (
        ((Stage.DETECTION, Stage.RECOGNITION),)
        if train.order is Order.PARALLEL
        else ((Stage.DETECTION,), (Stage.RECOGNITION,))
    )
    test = ((Stage.TEST,),) if train.run_test else ()
    return ((Stage.PREPARE,), *models, (Stage.PACKAGE,), *test)


def train_track(train: Train) -> Track:
    """The training run's line."""
    run = names.run_hash(train.id, train.revision)
    return Track("train", train.id, train.revision, run, train_groups(train), train.suspend)


def test_track(test: Test) -> Track:
    """The line of a test of its own: one stage."""
    run = names.test_hash(test.id, test.revision)
    return Track("test", test.id, test.revision, run, ((Stage.TEST,),), test.suspend)


def tracks(spec: OcrProjectSpec) -> tuple[Track, ...]:
    """What the spec asks for, the training first."""
    found = []
    if spec.train is not None:
        found.append(train_track(spec.train))
    if spec.test is not None:
        found.append(test_track(spec.test))
    return tuple(found)
