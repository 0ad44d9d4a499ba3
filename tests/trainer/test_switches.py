"""What makes trainings quick changes no result, and each of it can be switched off by an override."""

import ast
import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import ocr_trainer.training
from ocr_contract.spec import Detection, Recognition
from ocr_contract.stages import Stage
from ocr_trainer.line_shape import LineShape
from ocr_trainer.machine import Machine
from ocr_trainer.memory import usable_memory
from ocr_trainer.presets import preset_path
from ocr_trainer.training.configuration import TrainingData, build_config
from ocr_trainer.training.parts import register

GIGABYTE = 1 << 30


@pytest.fixture(scope="module", autouse=True)
def _parts() -> None:
    register()


def built(
    folder: Path, preset: str, overrides: dict[str, Any] | None = None, machine: Machine | None = None
) -> Any:
    stage = Stage.DETECTION if preset.startswith("dbnet") else Stage.RECOGNITION
    (folder / "dictionary.txt").write_text("\n".join("0123456789ABCDEF"))
    training = (Detection if stage is Stage.DETECTION else Recognition)(
        preset=preset, overrides=overrides or {}
    )
    data = TrainingData(root=folder, dataset=folder, items=100, longest_text=12)
    return build_config(stage, preset_path(stage, preset), training, data, machine or Machine(), folder)


def model(config: Any) -> Any:
    import torch
    from mmocr.registry import MODELS

    torch.manual_seed(1)
    return MODELS.build(config.model)


def lines(count: int, width: int) -> dict[str, Any]:
    from ocr_trainer.training.lines import pack

    rng = np.random.default_rng(2)
    packed = [
        pack(rng.integers(0, 256, (32, width, 3), dtype=np.uint8), "".join(rng.choice(list("09AF"), 5)))
        for _ in range(count)
    ]
    return {"inputs": [p["inputs"] for p in packed], "data_samples": [p["data_samples"] for p in packed]}


def loss_and_gradients(model: Any, batch: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    import torch

    torch.manual_seed(3)
    losses = model(**model.data_preprocessor(copy.deepcopy(batch), True), mode="loss")
    total = sum(value.mean() for value in losses.values())
    total.backward()
    return float(total.detach()), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def read(model: Any, batch: dict[str, Any]) -> list[tuple[str, list[float]]]:
    import torch

    with torch.no_grad():
        samples = model.eval().test_step(copy.deepcopy(batch))
    return [(sample.pred_text.item, list(sample.pred_text.score)) for sample in samples]


def draw_polygons(rng: np.random.Generator) -> list[Any]:
    """Lines and odd shapes of 4 to 9 corners, some reaching over the crop's edges, some tiny."""
    made = []
    for _ in range(30):
        corners = rng.integers(4, 10)
        angles = (
            np.sort(rng.uniform(0, 2 * np.pi, corners)) if corners > 4 else np.arange(4) * np.pi / 2 + 0.4
        )
        size = np.array([rng.uniform(4, 60), rng.uniform(3, 15)])
        turn = rng.normal(0, 0.2)
        shape = np.stack([np.cos(angles), np.sin(angles)], 1) * size
        shape = shape @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
        made.append((shape + rng.uniform(-5, 165, 2)).astype(np.float32).reshape(-1))
    return made


@pytest.mark.parametrize("seed", range(5))
def test_fast_detector_targets_are_mmocrs(tmp_path: Path, seed: int) -> None:
    import torch
    from mmengine.structures import InstanceData
    from mmocr.registry import MODELS
    from mmocr.structures import TextDetDataSample

    settings = built(tmp_path, "dbnet_r18").model.det_head.module_loss
    stock = built(
        tmp_path, "dbnet_r18", {"model.det_head.module_loss.type": "DBModuleLoss"}
    ).model.det_head.module_loss  # fmt: skip

    def targets(loss: Any) -> list[Any]:
        instances = InstanceData()
        instances.polygons = draw_polygons(np.random.default_rng(seed))
        instances.ignored = torch.zeros(30).bool()
        instances.bboxes, instances.labels = torch.zeros(30, 4), torch.zeros(30).long()
        sample = TextDetDataSample(gt_instances=instances)
        sample.set_metainfo({"img_shape": (160, 160)})
        return list(MODELS.build(loss).get_targets([sample]))

    fast, slow = targets(settings), targets(stock)
    assert 0.02 < float(slow[0].mean()) < 0.9  # there is text in the picture
    for ours, theirs in zip(fast, slow, strict=True):
        # mmocr's law of cosines is off by some thousandths of a pixel right beside an edge.
        assert torch.allclose(ours, theirs, atol=5e-3)
        assert float((ours - theirs).abs().mean()) < 1e-5


@pytest.mark.parametrize("text", [0.0, 0.02, 0.6])
def test_the_hardest_negatives_are_mmocrs(text: float) -> None:
    """Of no text, of a few lines, and of so much text that all negatives are taken."""
    import torch
    from mmocr.registry import MODELS

    draw = torch.Generator().manual_seed(0)
    truth = (torch.rand(2, 64, 64, generator=draw) < text).float()
    counts = (torch.rand(2, 64, 64, generator=draw) < 0.9).float()
    logits = torch.randn(2, 64, 64, generator=draw)

    def loss_and_gradient(kind: str) -> tuple[float, Any]:
        predicted = logits.clone().requires_grad_()
        loss = MODELS.build({"type": kind, "fallback_negative_num": 50})(predicted, truth, counts)
        loss.backward()
        return float(loss), predicted.grad

    ours, theirs = map(loss_and_gradient, ("FastBalancedBCELoss", "MaskedBalancedBCEWithLogitsLoss"))
    assert ours[0] == pytest.approx(theirs[0], rel=1e-6)
    assert torch.allclose(ours[1], theirs[1], atol=1e-9)
    assert bool(theirs[1].any())


def test_fused_attention_trains_and_reads_as_mmocrs(tmp_path: Path) -> None:
    """Dropout is off: the two draw it at different places."""
    import torch

    small = {
        "model.encoder.n_layers": 2, "model.decoder.n_layers": 2,
        "model.encoder.dropout": 0.0, "model.decoder.dropout": 0.0,
    }  # fmt: skip
    stock = small | {"model.encoder.type": "SATRNEncoder", "model.decoder.type": "NRTRDecoder"}
    ours, theirs = (model(built(tmp_path, "satrn_small", overrides)) for overrides in (small, stock))
    theirs.load_state_dict(ours.state_dict())
    batch = lines(3, 96)
    (loss, gradients), (stock_loss, stock_gradients) = (loss_and_gradients(m, batch) for m in (ours, theirs))
    assert loss == pytest.approx(stock_loss, rel=1e-4)
    assert gradients.keys() == stock_gradients.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, stock_gradients[name], atol=1e-4), name
    theirs.load_state_dict(ours.state_dict())  # batch norm has seen the same, but in another order of sums
    for (text, scores), (stock_text, stock_scores) in zip(
        read(ours, batch), read(theirs, batch), strict=True
    ):
        assert text == stock_text
        assert scores == pytest.approx(stock_scores, abs=1e-4)


def test_batched_ctc_decoding_reads_as_mmocrs(tmp_path: Path) -> None:
    import torch
    from mmocr.registry import MODELS
    from mmocr.structures import TextRecogDataSample

    decoder = built(tmp_path, "crnn_tiny").model.decoder
    stock = built(
        tmp_path, "crnn_tiny", {"model.decoder.postprocessor.type": "CTCPostProcessor"}
    ).model.decoder.postprocessor  # fmt: skip
    torch.manual_seed(4)
    # Few classes far apart: runs of equal characters, blanks between them, both at the ends.
    steps = (torch.randn(20, 40, 17) * torch.tensor([3.0] * 2 + [0.1] * 14 + [3.0])).softmax(-1)

    def decoded(settings: Any) -> list[tuple[str, list[float]]]:
        samples = MODELS.build(dict(settings, dictionary=decoder.dictionary))(
            steps.clone(), [TextRecogDataSample() for _ in steps]
        )
        return [(s.pred_text.item, list(s.pred_text.score)) for s in samples]

    ours, theirs = decoded(decoder.postprocessor), decoded(stock)
    assert [text for text, _ in ours] == [text for text, _ in theirs]
    assert [s for _, scores in ours for s in scores] == pytest.approx([s for _, v in theirs for s in v])
    assert len({text for text, _ in ours}) > 10


def test_svtr_of_any_width_is_mmocrs_at_mmocrs_size() -> None:
    """And the same line in a wider picture is read at its place: nothing depends on the greatest width."""
    import torch
    from mmocr.registry import MODELS

    shape = {
        "img_size": [32, 100], "embed_dims": [16, 24, 32], "depth": [2, 2, 1], "num_heads": [2, 2, 2],
        "mixer_types": ["Local", "Conv", "Local", "Global", "Global"], "prenorm": False,
        "window_size": [[7, 11], [5, 5], [7, 11]],
    }  # fmt: skip
    torch.manual_seed(5)
    ours = MODELS.build({"type": "FlexSVTREncoder", **shape}).eval()
    theirs = MODELS.build({"type": "SVTREncoder", **shape}).eval()
    missing = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not missing.unexpected_keys and all(name.endswith("mixer.mask") for name in missing.missing_keys)
    pictures = torch.randn(2, 3, 32, 100)
    assert torch.allclose(ours(pictures), theirs(pictures), atol=1e-4)
    assert [ours(torch.randn(1, 3, 32, width)).shape[-1] for width in (32, 64, 96)] == [8, 16, 24]
    with pytest.raises(ValueError, match="this model reads 100"):
        ours(torch.randn(1, 3, 32, 128))


def test_channels_last_computes_the_same(tmp_path: Path) -> None:
    import torch

    network = model(built(tmp_path, "crnn_small"))
    batch = lines(2, 64)
    before = read(network, batch)
    after = read(network.to(memory_format=torch.channels_last), batch)
    assert [text for text, _ in before] == [text for text, _ in after]
    assert [s for _, scores in before for s in scores] == pytest.approx(
        [s for _, v in after for s in v], abs=1e-4
    )
    assert built(tmp_path, "crnn_small", {"channels_last": False}).channels_last is False


@pytest.mark.parametrize(
    ("machine", "overrides", "wrapper"),
    [
        (Machine(), {}, "OptimWrapper"),
        (Machine(amp="bfloat16"), {}, "CpuAmpOptimWrapper"),
        (Machine(device="cuda", amp="bfloat16"), {}, "AmpOptimWrapper"),
        (Machine(device="cuda", amp="bfloat16"), {"amp": "off"}, "OptimWrapper"),
        (Machine(amp="bfloat16"), {"amp": "off"}, "OptimWrapper"),
    ],
)
def test_mixed_precision_where_the_machine_has_it(
    tmp_path: Path, machine: Machine, overrides: dict[str, Any], wrapper: str
) -> None:
    assert built(tmp_path, "crnn_small", overrides, machine).optim_wrapper.type == wrapper


def test_mixed_precision_on_a_cpu_keeps_float32_weights_and_nearly_the_loss(tmp_path: Path) -> None:
    import torch
    from mmengine.optim import build_optim_wrapper

    losses = []
    for machine in (Machine(), Machine(amp="bfloat16")):
        config = built(tmp_path, "crnn_small", machine=machine)
        network = model(config).train()
        optimizer = build_optim_wrapper(network, config.optim_wrapper)
        losses += [[float(network.train_step(lines(4, 64), optimizer)["loss"].detach()) for _ in range(3)]]
        assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert losses[0][0] == pytest.approx(losses[1][0], rel=0.01)


def test_a_wide_step_puts_lines_of_all_lengths_into_one_batch(tmp_path: Path) -> None:
    """Buckets of widths off: mmocr's way, every line in a picture of one size."""
    reading = built(tmp_path, "crnn_tiny", {"reading.step": 320, "reading.widest": 320}).reading
    assert {LineShape(**reading).bucket(width, 10) for width in (5, 50, 500)} == {320}
    assert len({LineShape(**built(tmp_path, "crnn_tiny").reading).bucket(w, 10) for w in (5, 50, 500)}) == 3


def test_pages_are_kept_within_their_share_of_the_memory(tmp_path: Path) -> None:
    def megabytes(machine: Machine, overrides: dict[str, Any] | None = None) -> int:
        step = built(tmp_path, "dbnet_r50", overrides, machine).train_dataloader.dataset.pipeline[0]
        return int(step.megabytes)

    assert megabytes(Machine(memory=16 * GIGABYTE)) == 4096
    assert megabytes(Machine(memory=16 * GIGABYTE, workers=2)) == 2048  # in each of the two
    assert megabytes(Machine(memory=16 * GIGABYTE, workers=2, processes=4)) == 512
    assert megabytes(Machine()) == 0
    off = {"train_dataloader.dataset.pipeline.0.megabytes": 0}
    assert megabytes(Machine(memory=16 * GIGABYTE), off) == 0


def test_a_kept_page_is_the_page_and_no_more_are_kept_than_fit(tmp_path: Path) -> None:
    from ocr_trainer.training.detector_parts import CachedPage

    rng = np.random.default_rng(6)
    pages = [rng.integers(0, 256, (400, 600, 3), dtype=np.uint8) for _ in range(3)]  # .7 MB each
    names = [str(tmp_path / f"{number}.png") for number in range(3)]
    for name, page in zip(names, pages, strict=True):
        cv2.imwrite(name, page)
    cached = CachedPage(megabytes=1)
    for name, page in zip(names, pages, strict=True):
        assert (cached({"img_path": name})["img"] == page).all()
    for name in names:
        Path(name).unlink()
    assert (cached({"img_path": names[0]})["img"] == pages[0]).all()
    with pytest.raises(OSError, match=r"1\.png can't be read any more"):
        cached({"img_path": names[1]})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "2147483648\n"}, 2 * GIGABYTE),
        ({"memory.max": "max\n"}, 8 * GIGABYTE),
        ({"memory/memory.limit_in_bytes": "1073741824"}, GIGABYTE),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, 8 * GIGABYTE),
        ({}, 8 * GIGABYTE),
    ],
)
def test_a_pods_memory_is_its_limit(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    (tmp_path / "meminfo").write_text(
        "MemTotal:  16777216 kB\nMemFree:  1024 kB\nMemAvailable:  8388608 kB\n"
    )
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_memory(tmp_path, tmp_path / "meminfo") == expected


def test_model_parts_stand_alone() -> None:
    """They travel with a packaged model to machines that don't have this project."""
    folder = Path(ocr_trainer.training.__file__).parent
    files = sorted(folder.glob("*_parts.py"))
    assert [file.stem.removesuffix("_parts") for file in files] == ["box", "detector", "recogniser", "svtr"]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.startswith("ocr_")], file.name
