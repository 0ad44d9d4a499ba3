"""What the recognition presets add to mmocr's models: a slim CRNN backbone, faster decoding and attention.

State dictionaries keep mmocr's keys. Registered under their class names; needs `compat.install()` first.
"""

from typing import Any

import torch
import torch.nn.functional as functional
from mmengine.model import Sequential
from mmengine.structures import LabelData
from mmocr.models.common.modules.transformer_module import MultiHeadAttention
from mmocr.models.textrecog.backbones.mini_vgg import MiniVGG
from mmocr.models.textrecog.decoders.nrtr_decoder import NRTRDecoder
from mmocr.models.textrecog.encoders.satrn_encoder import SATRNEncoder
from mmocr.models.textrecog.postprocessors import CTCPostProcessor
from mmocr.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class SlimVGG(MiniVGG):  # type: ignore[misc]
    """CRNN's MiniVGG at a fraction of its width, with batch norm after every convolution.

    mmocr hard-codes both. 32 pixels of height become 1, W of width become W/4 + 1 steps. context: so many
    ContextBlocks let a step know its neighbours, as the LSTM does in mmocr's CRNN.
    """

    def __init__(self, width: float, context: int = 0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.channels: list[int] = [int(channels * width) for channels in self.channels]
        layers: list[nn.Module] = []
        before = 3
        for index, channels in enumerate(self.channels):
            last = index == len(self.channels) - 1
            convolution = nn.Conv2d(before, channels, 2 if last else 3, 1, 0 if last else 1, bias=False)
            nn.init.kaiming_normal_(convolution.weight, a=0.2)
            layers += [convolution, nn.BatchNorm2d(channels), nn.LeakyReLU(0.2, inplace=True)]
            if index in (0, 1):
                layers.append(nn.MaxPool2d(2, 2))
            elif index in (3, 5):
                layers.append(nn.MaxPool2d((2, 2), (2, 1), (0, 1)))
            before = channels
        self.cnn = Sequential(*layers, *(ContextBlock(before) for _ in range(context)))
        self.init_cfg = None  # else mmengine would draw MiniVGG's own start over this one


class ContextBlock(nn.Module):  # type: ignore[misc]
    """Each step with nine along the line: what an LSTM is good for, without its long start."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.along = nn.Conv2d(channels, channels, (1, 9), padding=(0, 4), groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.widen = nn.Conv2d(channels, 2 * channels, 1)
        self.narrow = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(functional.gelu(self.widen(self.norm(self.along(x)))))


@MODELS.register_module()
class BatchedCTCPostprocessor(CTCPostProcessor):  # type: ignore[misc]
    """Greedy CTC decoding with one argmax a batch instead of one `.item()` a step."""

    def __call__(self, outputs: Tensor, data_samples: list[Any]) -> list[Any]:
        scores, indexes = (part.tolist() for part in outputs.detach().max(-1))
        for sample_scores, sample_indexes, sample in zip(scores, indexes, data_samples, strict=True):
            kept = [
                (index, score)
                for step, (index, score) in enumerate(zip(sample_indexes, sample_scores, strict=True))
                if index not in self.ignore_indexes and (step == 0 or index != sample_indexes[step - 1])
            ]
            sample.pred_text = LabelData(
                item=self.dictionary.idx2str([index for index, _ in kept]), score=[score for _, score in kept]
            )
        return data_samples


class _FusedAttention(MultiHeadAttention):  # type: ignore[misc]
    """The same parameters through torch's fused attention kernel."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        queries, keys, values = _heads(self.linear_q, q, self), _heads(self.linear_k, k, self), _heads(
            self.linear_v, v, self
        )  # fmt: skip
        if mask is not None:
            mask = (mask != 0).unsqueeze(1) if mask.dim() == 3 else (mask != 0)[:, None, None]
        dropout = self.attention.dropout.p if self.training else 0.0
        attended = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, dropout_p=dropout
        )
        return self.proj_drop(self.fc(attended.transpose(1, 2).reshape(*q.shape[:2], self.dim_v)))


def _heads(linear: nn.Module, x: Tensor, attention: Any) -> Tensor:
    """(N, T, D) -> (N, heads, T, D / heads)"""
    return linear(x).view(*x.shape[:2], attention.n_head, -1).transpose(1, 2)


def _fuse_attention(model: nn.Module) -> None:
    for module in model.modules():
        if type(module) is MultiHeadAttention:
            module.__class__ = _FusedAttention


def _whole(data_samples: list[Any] | None) -> bool:
    """No picture is padded; always so with lines in buckets of equal width."""
    return all((sample.get("valid_ratio") or 1.0) >= 1 for sample in data_samples or [])


@MODELS.register_module()
class FusedSATRNEncoder(SATRNEncoder):  # type: ignore[misc]
    """SATRN's encoder with fused attention, and without a mask where no picture is padded."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        _fuse_attention(self)

    def forward(self, feat: Tensor, data_samples: list[Any] | None = None) -> Tensor:
        if not _whole(data_samples):
            return super().forward(feat, data_samples)
        feat = self.position_enc(feat)
        height, width = feat.shape[2:]
        output = feat.flatten(2).permute(0, 2, 1).contiguous()
        for layer in self.layer_stack:
            output = layer(output, height, width, None)
        return self.layer_norm(output)


@MODELS.register_module()
class CachedNRTRDecoder(NRTRDecoder):  # type: ignore[misc]
    """NRTR's decoder: keys and values of what was read are kept, and it stops when every line has ended.

    mmocr reads the whole text anew for each character, up to the longest allowed, and trains each text as if
    it were that long: here texts are as long as the longest of their batch.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        _fuse_attention(self)

    def forward_train(
        self, feat: Tensor | None = None, out_enc: Tensor | None = None, data_samples: Any = None
    ) -> Tensor:
        assert out_enc is not None
        if not _whole(data_samples):
            return super().forward_train(feat, out_enc, data_samples)
        targets = torch.stack([sample.gt_text.padded_indexes for sample in data_samples])
        longest = int((targets != self.padding_idx).sum(1).max())
        attended = self._attention(targets[:, :longest].to(out_enc.device), out_enc, src_mask=None)
        # The loss is a mean over all places, padded ones too: without them it would be another one.
        return functional.pad(self.classifier(attended), (0, 0, 0, targets.shape[1] - longest))

    def forward_test(
        self, feat: Tensor | None = None, out_enc: Tensor | None = None, data_samples: Any = None
    ) -> Tensor:
        assert out_enc is not None
        if not _whole(data_samples):
            return super().forward_test(feat, out_enc, data_samples)
        lines = len(out_enc)
        crosses = [
            (_heads(a.linear_k, out_enc, a), _heads(a.linear_v, out_enc, a))
            for a in (layer.enc_attn for layer in self.layer_stack)
        ]
        kept: list[tuple[Tensor, Tensor] | None] = [None] * len(crosses)
        token = torch.full((lines,), self.start_idx, dtype=torch.long, device=out_enc.device)
        ended = torch.zeros(lines, dtype=torch.bool, device=out_enc.device)
        visible = torch.zeros((lines, 0), dtype=torch.bool, device=out_enc.device)
        outputs = []
        for step in range(self.max_seq_len):
            visible = torch.cat([visible, (token != self.padding_idx)[:, None]], 1)
            x = self.trg_word_emb(token)[:, None] + self.position_enc.position_table[:, step : step + 1]
            for index, layer in enumerate(self.layer_stack):
                x, kept[index] = self._read_step(layer, x, kept[index], crosses[index], visible)
            logits = self.classifier(self.layer_norm(x))[:, 0].float()
            outputs.append(logits)
            token = logits.argmax(-1)
            ended |= token == self.dictionary.end_idx
            if bool(ended.all()):
                break
        return self.softmax(torch.stack(outputs, 1))

    @staticmethod
    def _read_step(
        layer: Any,
        x: Tensor,
        kept: tuple[Tensor, Tensor] | None,
        cross: tuple[Tensor, Tensor],
        visible: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One layer for the newest character; (N, 1, D) and the layer's keys and values up to it."""

        def attend(attention: Any, y: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
            queries = _heads(attention.linear_q, y, attention)
            attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
            return attention.fc(attended.transpose(1, 2).reshape(len(y), 1, -1))

        own, y = layer.self_attn, layer.norm1(x)
        keys, values = _heads(own.linear_k, y, own), _heads(own.linear_v, y, own)
        if kept is not None:
            keys, values = torch.cat([kept[0], keys], 2), torch.cat([kept[1], values], 2)
        x = x + attend(own, y, keys, values, visible[:, None, None])
        x = x + attend(layer.enc_attn, layer.norm2(x), *cross, None)
        return x + layer.mlp(layer.norm3(x)), (keys, values)
