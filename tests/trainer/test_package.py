"""The bundle holds both models and all that is needed to use and to check them."""

import hashlib
import json
import threading
import zipfile
from pathlib import Path

import pytest

from ocr_contract.spec import Train
from ocr_contract.stage_input import StageInput
from ocr_contract.stages import Stage
from ocr_contract.volume import RunFolder
from ocr_trainer.context import StageContext
from ocr_trainer.errors import BadData
from ocr_trainer.progress import LogProgress
from ocr_trainer.reporting import Reporter
from ocr_trainer.stages import package


@pytest.fixture
def trained(tmp_path: Path) -> RunFolder:
    """What the stages before leave, with small files for weights."""
    run = RunFolder(tmp_path)
    for stage, metrics in {
        "detection": {"epoch": 4, "hmean": 0.91234},
        "recognition": {"epoch": 9, "word_acc": 0.5},
    }.items():
        run.stage(stage).mkdir(parents=True)
        (run.stage(stage) / "config.py").write_text(f"model = '{stage}'\n")
        (run.stage(stage) / "best.pth").write_bytes(stage.encode() * 5000)
        (run.stage(stage) / "metrics.json").write_text(json.dumps(metrics))
    run.dataset.mkdir()
    (run.dataset / "dictionary.txt").write_text(" \na\n")
    (run.dataset / "dataset.json").write_text(
        json.dumps({"trainImages": 9, "trainWords": 80, "validationImages": 1, "validationWords": 8,
                    "characters": 2, "longestText": 5, "fingerprint": "f" * 64})
    )  # fmt: skip
    return run


def pack(run: RunFolder) -> Path:
    given = StageInput(project_id="发票", train=Train(id="first"))
    reporter = Reporter(Stage.PACKAGE, "key", run)
    package.run(StageContext(given, run, None, reporter, "uid", threading.Event(), LogProgress()))
    return run.model_zip


def test_the_bundle_is_whole_and_its_sums_agree(trained: RunFolder) -> None:
    with zipfile.ZipFile(pack(trained)) as bundle:
        names = set(bundle.namelist())
        assert names == {
            "detection/config.py", "detection/best.pth", "recognition/config.py", "recognition/best.pth",
            "dictionary.txt", "metrics.json", "README.md", "SHA256SUMS",
        }  # fmt: skip
        sums = dict(reversed(line.split("  ")) for line in bundle.read("SHA256SUMS").decode().splitlines())
        assert sums == {n: hashlib.sha256(bundle.read(n)).hexdigest() for n in names - {"SHA256SUMS"}}
        assert json.loads(bundle.read("metrics.json"))["detection"]["hmean"] == 0.91234
        card = bundle.read("README.md").decode()
        assert "发票" in card and "| hmean | 0.9123 |" in card and "dbnet_r50" in card


def test_equal_inputs_give_equal_bytes_and_nothing_is_left_over(trained: RunFolder) -> None:
    first = pack(trained).read_bytes()
    assert pack(trained).read_bytes() == first
    assert [path.name for path in trained.model_zip.parent.iterdir()] == ["pthModel.zip"]


def test_a_training_that_did_not_end_is_not_packed(trained: RunFolder) -> None:
    before = pack(trained).read_bytes()
    (trained.stage("recognition") / "best.pth").unlink()
    with pytest.raises(BadData, match=r"work/recognition/best\.pth is missing"):
        pack(trained)
    assert trained.model_zip.read_bytes() == before
