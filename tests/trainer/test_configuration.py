"""A user's settings become the configuration that is trained: epochs, batches, schedule, overrides."""

import shutil
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from ocr_contract.spec import Detection, Recognition
from ocr_contract.stages import Stage
from ocr_trainer.errors import BadConfiguration
from ocr_trainer.machine import Machine, processors
from ocr_trainer.presets import preset_folder, preset_names, preset_path
from ocr_trainer.training.configuration import TrainingData, build_config, rate_factor

DATA = TrainingData(root=Path("/run"), dataset=Path("/run/work/dataset"), items=120, longest_text=54)
PLAIN = Machine()


def built(kind: str, machine: Machine = PLAIN, data: TrainingData = DATA, **settings: Any) -> Any:
    stage = Stage(kind)
    training = (Detection if stage is Stage.DETECTION else Recognition)(**settings)
    return build_config(
        stage, preset_path(kind, training.preset), training, data, machine, Path("/run/work", kind)
    )


def test_the_presets_are_there_and_defaults_name_two_of_them() -> None:
    assert preset_names("detection") == ["dbnet_r18", "dbnet_r18_tiny", "dbnet_r50", "dbnet_r50_dcn"]
    assert preset_names("recognition") == ["crnn_small", "crnn_tiny", "satrn_small", "svtr_small"]
    assert Detection().preset in preset_names("detection")
    assert Recognition().preset in preset_names("recognition")
    assert (preset_folder("detection") / "_base_dbnet.py").is_file()


def test_an_unknown_preset_is_answered_with_those_that_exist() -> None:
    with pytest.raises(
        BadConfiguration, match=r"'dbnet_r51' does not exist.*dbnet_r18_tiny, dbnet_r50, "
    ) as caught:
        preset_path("detection", "dbnet_r51")
    assert caught.value.reason == "UnknownPreset"


def test_presets_are_found_in_a_wheel_and_in_the_source_tree(tmp_path: Path) -> None:
    source = preset_folder("detection").parent
    settings = tomllib.loads((source.parent / "pyproject.toml").read_text())
    assert settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {
        source.name: "ocr_trainer/configs"
    }
    package = tmp_path / "site-packages" / "ocr_trainer"
    shutil.copytree(source, package / "configs")
    assert preset_folder("detection", package) == package / "configs" / "detection"


def test_a_base_file_is_no_preset() -> None:
    with pytest.raises(BadConfiguration):
        preset_path("detection", "_base_dbnet")


@pytest.mark.parametrize("preset", preset_names("detection"))
def test_a_detector_gets_the_users_numbers_and_the_runs_files(preset: str) -> None:
    config = built("detection", preset=preset, epochs=7, batch_size=3, evaluate_every=2, learning_rate=0.5)
    assert (config.train_cfg.max_epochs, config.train_cfg.val_interval) == (7, 2)
    assert config.train_dataloader.batch_size == 3
    assert config.optim_wrapper.optimizer.lr == 0.5
    assert config.train_dataloader.dataset.ann_file == "/run/work/dataset/detection/train.json"
    assert config.val_dataloader.dataset.ann_file == "/run/work/dataset/detection/val.json"
    assert config.val_dataloader.dataset.data_root == "/run"
    assert config.param_scheduler[-1].end == 7


@pytest.mark.parametrize("preset", preset_names("recognition"))
def test_a_recogniser_knows_the_datas_characters_and_how_lines_are_cut(preset: str) -> None:
    config = built("recognition", preset=preset, epochs=6)
    assert config.model.decoder.dictionary.dict_file == "/run/work/dataset/dictionary.txt"
    assert config.train_dataloader.dataset.path == "/run/work/dataset/recognition/train.lmdb"
    assert config.train_dataloader.dataset.reading == config.val_dataloader.dataset.reading == config.reading
    assert config.train_dataloader.batch_sampler.epochs == 6
    assert config.param_scheduler[-1].T_max == 6


@pytest.mark.parametrize(("longest", "limit"), [(54, 55), (300, 200)])
def test_satrn_reads_texts_as_long_as_the_datas_within_its_positions(longest: int, limit: int) -> None:
    data = TrainingData(root=Path("/run"), dataset=Path("/run/d"), items=10, longest_text=longest)
    assert built("recognition", data=data, preset="satrn_small").model.decoder.max_seq_len == limit


def test_every_detector_keeps_long_thin_lines_and_single_digits() -> None:
    for preset in preset_names("detection"):
        head = built("detection", preset=preset).model.det_head
        assert head.postprocessor.epsilon_ratio == 0.002
        assert head.module_loss.min_sidelength == 3


def test_nothing_is_downloaded() -> None:
    for kind in ("detection", "recognition"):
        for preset in preset_names(kind):
            text = built(kind, preset=preset).pretty_text
            assert "://" not in text


def test_a_tiny_dataset_still_has_a_schedule() -> None:
    """A share of an epoch must not become a phase without a single iteration."""
    data = TrainingData(root=Path("/run"), dataset=Path("/run/d"), items=5, longest_text=3)
    for scheduler in built("recognition", data=data, preset="crnn_tiny", epochs=1).param_scheduler:
        assert scheduler.end >= 1


def test_mixed_precision_only_where_there_is_a_gpu() -> None:
    assert built("detection").optim_wrapper.type == "OptimWrapper"
    wrapper = built("detection", machine=Machine(device="cuda", amp="bfloat16")).optim_wrapper
    assert (wrapper.type, wrapper.dtype) == ("AmpOptimWrapper", "bfloat16")


def test_a_configuration_survives_being_written_and_read(tmp_path: Path) -> None:
    """config.py is what a test of its own builds the models from."""
    config = built("recognition", preset="crnn_tiny")
    (tmp_path / "config.py").write_text(config.pretty_text)
    again = Config.fromfile(str(tmp_path / "config.py"))
    assert again.to_dict() == config.to_dict()


@pytest.mark.parametrize(
    ("quota", "most"),
    [("max 100000", 10_000), ("100000 100000", 1), ("50000 100000", 1), ("150000 100000", 2)],
)
def test_a_pods_processors_are_its_quota(tmp_path: Path, quota: str, most: int) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert 1 <= processors(tmp_path / "cpu.max") <= most


EVERY = [(kind, name) for kind in ("detection", "recognition") for name in preset_names(kind)]


@pytest.mark.parametrize(("kind", "preset"), EVERY)
def test_a_preset_says_what_its_schedule_was_made_for(kind: str, preset: str) -> None:
    config = Config.fromfile(str(preset_path(kind, preset)))
    assert config.param_scheduler[-1].end == config.made_for.epochs
    assert config.made_for.batch_size >= 1


@pytest.mark.parametrize(("kind", "preset"), EVERY)
def test_the_learning_rate_follows_the_batch_unless_given(kind: str, preset: str) -> None:
    """All presets use Adam: four times the batch, twice the rate; and the schedule's lowest rate with it."""
    made_for = Config.fromfile(str(preset_path(kind, preset))).made_for
    own = built(kind, preset=preset, epochs=made_for.epochs, batch_size=made_for.batch_size)
    large = built(kind, preset=preset, epochs=made_for.epochs, batch_size=4 * made_for.batch_size)
    given = built(kind, preset=preset, batch_size=4 * made_for.batch_size, learning_rate=0.25)
    rate = own.optim_wrapper.optimizer.lr
    assert large.optim_wrapper.optimizer.lr == pytest.approx(2 * rate)
    assert large.param_scheduler[-1].eta_min == pytest.approx(2 * own.param_scheduler[-1].eta_min)
    assert given.optim_wrapper.optimizer.lr == pytest.approx(0.25)
    four_gpus = built(kind, Machine(processes=4), preset=preset, batch_size=made_for.batch_size)
    assert four_gpus.optim_wrapper.optimizer.lr == pytest.approx(2 * rate)


def test_sgds_rate_is_proportional_to_the_batch() -> None:
    assert (rate_factor("SGD", 4), rate_factor("Adam", 4), rate_factor("AdamW", 0.25)) == (4, 2, 0.5)


@pytest.mark.parametrize(("kind", "preset"), EVERY)
def test_no_batch_size_is_the_presets_own(kind: str, preset: str) -> None:
    config = built(kind, preset=preset, batch_size=0)
    assert config.train_dataloader.batch_size == config.made_for.batch_size
    own = Config.fromfile(str(preset_path(kind, preset))).optim_wrapper.optimizer.lr
    assert config.optim_wrapper.optimizer.lr == pytest.approx(own)


MMOCR = {
    "dbnet_r50": "textdet/dbnet/dbnet_resnet50_1200e_icdar2015.py",
    "dbnet_r50_dcn": "textdet/dbnet/dbnet_resnet50-dcnv2_fpnc_1200e_icdar2015.py",
    "dbnet_r18": "textdet/dbnet/dbnet_resnet18_fpnc_1200e_icdar2015.py",
    "satrn_small": "textrecog/satrn/satrn_shallow-small_5e_st_mj.py",
    "svtr_small": "textrecog/svtr/svtr-small_20e_st_mj.py",
}
CHANGES = {
    "dbnet": {
        "backbone.init_cfg", "backbone.norm_eval", "backbone.style",  # no pretrained weights are downloaded
        "det_head.module_loss.type", "det_head.module_loss.min_sidelength", "det_head.postprocessor.type",
        "det_head.postprocessor.epsilon_ratio",
    },
    "satrn": {
        "encoder.type", "decoder.type", "decoder.max_seq_len",
        "encoder.n_position",  # along and across: wider pictures than mmocr's 100 pixels
        "decoder.module_loss.letter_case", "decoder.dictionary.with_unknown", "decoder.dictionary.dict_file",
    },
    "svtr": {
        "preprocessor", "encoder.type", "encoder.img_size", "encoder.max_seq_len",
        "decoder.module_loss.letter_case", "decoder.postprocessor.type",
        "decoder.dictionary.with_unknown", "decoder.dictionary.dict_file",
        "data_preprocessor.mean", "data_preprocessor.std",
    },
}  # fmt: skip
"""All that our models change of mmocr's; each for a reason that the preset tells."""


@pytest.mark.parametrize("preset", MMOCR)
def test_models_are_mmocrs_own_but_for_named_changes(preset: str) -> None:
    kind = "detection" if preset.startswith("dbnet") else "recognition"
    configs = Path(str(files("mmocr"))) / ".mim" / "configs"
    theirs = flat(Config.fromfile(str(configs / MMOCR[preset])).model.to_dict())
    ours = flat(Config.fromfile(str(preset_path(kind, preset))).model.to_dict())
    differing = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    allowed = CHANGES[preset.partition("_")[0]]
    assert {key for key in differing if not any(f"{key}.".startswith(f"{a}.") for a in allowed)} == set()


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys; lists and tuples alike."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return found
