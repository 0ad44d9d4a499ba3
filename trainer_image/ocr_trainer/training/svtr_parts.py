"""mmocr's SVTR encoder for lines of any width: mmocr's own is built for one size of picture.

State dictionaries keep mmocr's keys, but for the masks, which are no weights. Registered under its class
name; needs `compat.install()` first.
"""

from typing import Any

import torch
import torch.nn.functional as functional
from mmengine.model.weight_init import trunc_normal_init
from mmocr.models.textrecog.encoders.svtr_encoder import AttnMixer, ConvMixer, SVTREncoder
from mmocr.registry import MODELS
from torch import Tensor, nn


class _AnyWidthAttention(AttnMixer):  # type: ignore[misc]
    """Attention among all tokens, or inside a window around each (`Local`), by torch's fused kernel."""

    window: tuple[int, int]
    masks: dict[tuple[int, int, int, int, torch.device], Tensor]
    """The encoder's, by height, width, window and device: there are as many widths as buckets."""

    def forward(self, x: Tensor) -> Tensor:
        lines, tokens, channels = x.shape
        queries, keys, values = (
            self.qkv(x).reshape(lines, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        )
        mixed = functional.scaled_dot_product_attention(
            queries, keys, values,
            attn_mask=self._mask(tokens, x.device) if self.mixer == "Local" else None,
            dropout_p=self.attn_drop.p if self.training else 0.0,
            scale=self.scale,
        )  # fmt: skip
        return self.proj_drop(self.proj(mixed.transpose(1, 2).reshape(lines, tokens, channels)))

    def _mask(self, tokens: int, device: torch.device) -> Tensor:
        """(tokens, tokens): True where a token sees another."""
        height = self.input_shape[0]
        width = tokens // height
        key = (height, width, *self.window, device)
        if key in self.masks:
            return self.masks[key]
        with torch.inference_mode(False):  # one made while reading may serve a training later
            places = torch.arange(tokens, device=device)
            rows, columns = places // width, places % width
            near_rows = (rows[:, None] - rows).abs() <= self.window[0] // 2
            near_columns = (columns[:, None] - columns).abs() <= self.window[1] // 2
            return self.masks.setdefault(key, near_rows & near_columns)


class _AnyWidthConvolution(ConvMixer):  # type: ignore[misc]
    def forward(self, x: Tensor) -> Tensor:
        picture = _as_picture(x, self.input_shape[0])
        return self.local_mixer(picture).flatten(2).transpose(1, 2)


def _as_picture(tokens: Tensor, height: int) -> Tensor:
    """(N, height x W, C) -> (N, C, height, W)"""
    lines, _, channels = tokens.shape
    return tokens.transpose(1, 2).reshape(lines, channels, height, -1)


@MODELS.register_module()
class FlexSVTREncoder(SVTREncoder):  # type: ignore[misc]
    """SVTR's encoder; (N, 3, H, W) -> (N, out_channels, 1, W / 4).

    img_size: the height, a multiple of 16, and the greatest width. All widths share the table of positions,
    whose columns are used from the left.
    """

    def __init__(
        self, img_size: tuple[int, int], window_size: Any = ((7, 11),) * 3, **arguments: Any
    ) -> None:
        height, widest = img_size
        if height % 16:
            raise ValueError(f"img_size: SVTR halves the height four times, {height} is no multiple of 16")
        # Four pixels wide: mmocr makes a mask for each block at the full size, only to have it dropped here.
        super().__init__(img_size=[height, 4], window_size=window_size, **arguments)
        masks: dict[tuple[int, int, int, int, torch.device], Tensor] = {}
        for blocks, window in zip((self.blocks1, self.blocks2, self.blocks3), window_size, strict=True):
            for block in blocks:
                _widen(block.mixer, tuple(window), masks)
        self.input_shape = [height // 4, widest // 4]
        positions = torch.zeros(1, self.input_shape[0] * self.input_shape[1], self.embed_dims[0])
        self.absolute_pos_embed = nn.Parameter(positions)
        trunc_normal_init(self.absolute_pos_embed, mean=0, std=0.02)
        self.avgpool = nn.AdaptiveAvgPool2d((1, None))

    def forward_features(self, x: Tensor) -> Tensor:
        """Tokens of the last stage."""
        height = self.input_shape[0]
        x = self.patch_embed(x)
        width = x.shape[1] // height
        if width > self.input_shape[1]:
            raise ValueError(f"a line {4 * width} pixels wide: this model reads {4 * self.input_shape[1]}")
        table = self.absolute_pos_embed.view(1, *self.input_shape, -1)
        x = self.pos_drop(x + table[:, :, :width].flatten(1, 2))
        for block in self.blocks1:
            x = block(x)
        x = self.downsample1(_as_picture(x, height))
        for block in self.blocks2:
            x = block(x)
        x = self.downsample2(_as_picture(x, height // 2))
        for block in self.blocks3:
            x = block(x)
        return x if self.prenorm else self.layer_norm(x)

    def forward(self, x: Tensor, data_samples: Any = None) -> Tensor:
        del data_samples
        last = _as_picture(self.forward_features(x), self.input_shape[0] // 4)
        return self.dropout(self.hardwish(self.last_conv(self.avgpool(last))))


def _widen(mixer: nn.Module, window: tuple[int, ...], masks: dict[Any, Tensor]) -> None:
    if isinstance(mixer, AttnMixer):
        mixer.__class__ = _AnyWidthAttention
        mixer.window, mixer.masks = window, masks
        mixer._buffers.pop("mask", None)
    else:
        mixer.__class__ = _AnyWidthConvolution
