"""Settings that would end a training are found out when the first of the two begins."""

from pathlib import Path
from typing import Any

import pytest

from ocr_contract.spec import Train
from ocr_trainer.errors import BadConfiguration
from ocr_trainer.machine import Machine
from ocr_trainer.training.configuration import TrainingData
from ocr_trainer.training.parts import register


def check(tmp_path: Path, detection: dict[str, Any], recognition: dict[str, Any]) -> None:
    register()
    from ocr_trainer.training.preflight import check_settings

    (tmp_path / "dictionary.txt").write_text("0\n1\n \nA\n")
    data = TrainingData(root=tmp_path, dataset=tmp_path, items=100, longest_text=20)
    train = Train.model_validate(
        {
            "id": "r",
            "detection": {"preset": "dbnet_r18_tiny"} | detection,
            "recognition": {"preset": "crnn_tiny"} | recognition,
        }
    )
    check_settings(train, data, 1000, Machine())


def test_settings_that_work_pass(tmp_path: Path) -> None:
    page = {"train_dataloader.dataset.pipeline.2.size": 128, "long_side": 320}
    wide = {"reading.widest": 640, "model.backbone.width": 0.125, "model.decoder.in_channels": 64}
    check(tmp_path, {"overrides": page}, {"overrides": wide})


def test_mmocrs_own_pipeline_may_take_the_place_of_ours(tmp_path: Path) -> None:
    stock = [
        {"type": "LoadImageFromFile", "color_type": "color_ignore_orientation"},
        {"type": "LoadOCRAnnotations", "with_bbox": True, "with_polygon": True, "with_label": True},
        {"type": "TorchVisionWrapper", "op": "ColorJitter", "brightness": 0.125, "saturation": 0.5},
        {"type": "ImgAugWrapper", "args": [["Fliplr", 0.5], {"cls": "Affine", "rotate": [-10, 10]}]},
        {"type": "RandomCrop", "min_side_ratio": 0.1},
        {"type": "Resize", "scale": [128, 128], "keep_ratio": True},
        {"type": "Pad", "size": [128, 128]},
        {"type": "PackTextDetInputs", "meta_keys": ["img_path", "ori_shape", "img_shape"]},
    ]
    check(tmp_path, {"overrides": {"train_dataloader.dataset.pipeline": stock}}, {})


@pytest.mark.parametrize(
    ("detection", "complaint"),
    [
        ({"train_dataloader.dataset.pipeline.2.size": 0}, "fails at once"),
        ({"train_dataloader.dataset.pipeline.2.type": "PageCorp"}, "PageCorp"),
        ({"model.neck.in_channels": [16, 32, 64]}, "fails at once"),
        ({"model.neck.in_channels": [16, 32, 64, 256]}, "channels"),
        ({"model.backbone.depth": 19}, "19"),
        ({"model.det_head.postprocessor.text_repr_type": "circle"}, "text_repr_type"),
    ],
)
def test_values_that_the_detector_or_its_data_cannot_bear(
    tmp_path: Path, detection: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BadConfiguration, match=rf"detection\.overrides.*{complaint}") as caught:
        check(tmp_path, {"overrides": detection}, {})
    assert caught.value.reason == "BadOverride"


@pytest.mark.parametrize(
    ("recognition", "complaint"),
    [
        ({"preset": "crnn_tinny"}, "crnn_tinny"),
        ({"overrides": {"model.decoder.in_chanels": 64}}, "did you mean 'model.decoder.in_channels'"),
        ({"overrides": {"model.decoder.in_channels": 64}}, "channels"),
        ({"overrides": {"reading.height": 64}}, "feature height must be 1"),
        ({"overrides": {"reading.step": 0}}, "fails at once"),
        ({"preset": "svtr_small", "overrides": {"reading.widest": 1280}}, "this model reads 960"),
    ],
)
def test_the_recognisers_settings_are_found_wrong_before_the_detector_is_trained(
    tmp_path: Path, recognition: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BadConfiguration, match=rf"recognition\..*{complaint}"):
        check(tmp_path, {}, recognition)
