"""Overrides are checked before anything is built: what fits nothing is refused, and told what would fit."""

from pathlib import Path
from typing import Any

import pytest

from ocr_contract.spec import Detection, Recognition
from ocr_contract.stages import Stage
from ocr_trainer.errors import BadConfiguration
from ocr_trainer.machine import Machine
from ocr_trainer.presets import preset_path
from ocr_trainer.training.configuration import TrainingData, build_config
from ocr_trainer.training.parts import register

DATA = TrainingData(root=Path("/run"), dataset=Path("/run/work/dataset"), items=120, longest_text=54)


@pytest.fixture(scope="module", autouse=True)
def _parts() -> None:
    register()


def built(overrides: dict[str, Any], preset: str = "dbnet_r18_tiny") -> Any:
    stage = Stage.DETECTION if preset.startswith("dbnet") else Stage.RECOGNITION
    training = (Detection if stage is Stage.DETECTION else Recognition)(preset=preset, overrides=overrides)
    return build_config(
        stage, preset_path(stage, preset), training, DATA, Machine(), Path("/run/work", stage)
    )


def refused(overrides: dict[str, Any], preset: str = "dbnet_r18_tiny") -> str:
    with pytest.raises(BadConfiguration) as caught:
        built(overrides, preset)
    assert caught.value.reason == "BadOverride"
    return caught.value.message


def test_overrides_are_set() -> None:
    config = built(
        {
            "optim_wrapper.optimizer.weight_decay": 0.1,
            "param_scheduler.0.start_factor": 0.5,
            "param_scheduler.1.end": 6.5,
            "long_side": 1280,
            "model.backbone.norm_cfg": {"momentum": 0.05},
            "optim_wrapper.clip_grad": {"max_norm": 2},
            "train_dataloader.num_workers": 3,
            "train_dataloader.pin_memory": True,
            "train_dataloader.dataset.pipeline.2.long_side": [300, 500],
            "default_hooks.logger": {"type": "LoggerHook", "interval": 7},
        }
    )
    assert config.optim_wrapper.optimizer.weight_decay == 0.1
    assert config.param_scheduler[0].start_factor == 0.5
    assert config.param_scheduler[1].end == 6.5
    assert config.val_dataloader.dataset.pipeline[1].scale == (1280, 1280)
    assert config.model.backbone.norm_cfg == {"type": "BN", "requires_grad": True, "momentum": 0.05}
    assert config.optim_wrapper.clip_grad.max_norm == 2
    assert config.train_dataloader.num_workers == 3
    assert list(config.train_dataloader.dataset.pipeline[2].long_side) == [300, 500]
    assert config.default_hooks.logger.interval == 7


def test_a_dictionary_with_a_type_replaces_what_was_there() -> None:
    optimizer = built({"optim_wrapper.optimizer": {"type": "SGD", "lr": 0.1}}).optim_wrapper.optimizer
    assert optimizer == {"type": "SGD", "lr": 0.1, "fused": True}
    unfused = built({"optim_wrapper.optimizer": {"type": "RMSprop", "lr": 0.1}}).optim_wrapper.optimizer
    assert unfused == {"type": "RMSprop", "lr": 0.1}  # torch has no fused step for it


def test_parts_of_a_model_may_have_learning_rates_of_their_own() -> None:
    wanted = {"custom_keys": {"backbone.layer1": {"lr_mult": 0.1}}}
    assert built({"optim_wrapper.paramwise_cfg": wanted}).optim_wrapper.paramwise_cfg == wanted


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("optim_wraper.optimizer.weight_decay", "optim_wrapper.optimizer.weight_decay"),
        ("optim_wrapper.optimizer.wieght_decay", "optim_wrapper.optimizer.weight_decay"),
        ("model.backbone.dept", "model.backbone.depth"),
        ("model.det_head.postprocessor.unclip_ration", "model.det_head.postprocessor.unclip_ratio"),
        ("model.det_head.module_loss.min_sidelenght", "model.det_head.module_loss.min_sidelength"),
        ("backbone.depth", "model.backbone.depth"),
        ("longside", "long_side"),
        ("train_dataloader.prefetch_facto", "train_dataloader.prefetch_factor"),
    ],
)
def test_a_misspelt_key_is_told_the_nearest_that_fits(key: str, nearest: str) -> None:
    message = refused({key: 1})
    assert f"detection.overrides: {key!r}" in message
    assert f"did you mean {nearest!r}?" in message


def test_a_key_like_no_other_is_told_what_there_is() -> None:
    assert "there are: lateral_channels, " in refused({"model.neck.zzz": 1}).replace("type, ", "")


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("model.backbone.depth", "fifty", "must be a whole number, not the text 'fifty'"),
        ("model.backbone.depth", 18.5, "must be a whole number, not 18.5"),
        ("model.backbone.depth", True, "must be a whole number, not true"),
        ("model.backbone.depth", None, "must be a whole number, not null"),
        ("model.backbone.norm_eval", 1, "must be true or false, not 1"),
        ("optim_wrapper.optimizer.weight_decay", "1e-3", r"must be a number, .*\(write 0.001\)"),
        ("optim_wrapper.optimizer.weight_decay", [1], r"must be a number, not the list \[1\]"),
        ("param_scheduler", 3, "must be .*a list.*, not 3"),
        ("model.neck", 3, "must be a dictionary .*, not 3"),
        ("train_dataloader.dataset.pipeline.2.long_side", [300], r"must hold 2 values, like \[930, 1530\]"),
        ("train_dataloader.dataset.pipeline.2.long_side", [300, "x"], "must hold numbers"),
        ("model.neck.in_channels", ["a", "b", "c", "d"], "must hold numbers"),
        ("amp", "bf16", "'amp' must be auto or off, not 'bf16'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(key: str, value: Any, complaint: str) -> None:
    with pytest.raises(BadConfiguration, match=complaint):
        built({key: value})


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("param_scheduler.9.end", "param_scheduler is a list, its entries are 0 to 1"),
        ("param_scheduler.one", "its entries are 0 to 1"),
        ("model.type.x", "model.type is the text 'DBNet', nothing in it"),
        ("train_cfg.max_epochs", "use detection.epochs"),
        ("train_cfg.val_interval", "use detection.evaluateEvery"),
        ("train_dataloader.batch_size", "use detection.batchSize"),
        ("optim_wrapper.optimizer.lr", "use detection.learningRate"),
        ("load_from", "is set by the run itself"),
        ("val_dataloader.dataset.ann_file", "is set by the run itself"),
        ("train_pipeline.2.size", "did you mean 'train_dataloader.dataset.pipeline.2.size'"),
    ],
)
def test_keys_that_would_do_nothing_or_break_the_run_are_refused(key: str, complaint: str) -> None:
    assert complaint in refused({key: 1})


def test_a_dictionarys_own_keys_are_checked_too() -> None:
    assert "did you mean 'model.backbone.depth'?" in refused({"model": {"backbone": {"depht": 18}}})
    assert "must be a whole number" in refused({"model": {"backbone": {"depth": "18"}}})


def test_an_option_that_the_class_passes_to_its_base_is_known() -> None:
    """CachedNRTRDecoder takes anything and hands it on; CTCModuleLoss takes anything and forgets it."""
    config = built({"model.decoder.dropout": 0.2, "model.decoder.d_inner": 512}, "satrn_small")
    assert (config.model.decoder.dropout, config.model.decoder.d_inner) == (0.2, 512)
    misspelt = refused({"model.decoder.module_loss.zero_infinty": True}, "crnn_tiny")
    assert "did you mean 'model.decoder.module_loss.zero_infinity'?" in misspelt
