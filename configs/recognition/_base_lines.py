"""Recognition of whole lines in buckets of equal width: no padding inside a batch, few shapes, long lines.

`reading` says how a line becomes a picture, in training and in testing alike: `height` pixels high, as wide
as `squeeze` times its aspect asks for, in steps of `step`, `widest` at most; cut with `pad_x` and `pad_y` of
its height around the text (in training at random around that, because detected boxes are never exact).

`reading` is handed to samplers and datasets when the configuration is built.

`batchSize` is the number of lines in a batch at the data's median width; a batch of wider lines holds fewer,
one of narrower lines more, so that every batch has about as many pixels.
"""

_base_ = ["../_base_runtime.py"]

reading = dict(height=32, step=32, widest=480, squeeze=0.7, pad_x=0.15, pad_y=0.1)

model = dict(
    data_preprocessor=dict(
        type="TextRecogDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
)
train_dataloader = dict(
    sampler=dict(type="DefaultSampler", shuffle=True),
    batch_sampler=dict(type="WidthBatchSampler", training=True, curriculum=0.15),
    # synthetic: share of the lines that are drawn with fonts instead, where fonts have the data's characters
    dataset=dict(type="LineDataset", training=True, synthetic=0.0),
)
val_dataloader = dict(
    batch_size=32,
    sampler=dict(type="DefaultSampler", shuffle=False),
    batch_sampler=dict(type="WidthBatchSampler", training=False),
    dataset=dict(type="LineDataset", training=False),
)
val_evaluator = [
    dict(type="WordMetric", mode=["exact", "ignore_case", "ignore_case_symbol"]),
    dict(type="CharMetric"),
]
