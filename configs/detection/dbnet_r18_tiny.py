"""A DBNet of .8 M parameters that learns receipts on two CPU cores in minutes: 14 epochs of batch 4.

A quarter of ResNet-18's width and crops of 320 pixels: .25 s an iteration without a GPU.
"""

_base_ = ["_base_dbnet.py"]

long_side = 1280  # a single digit of a receipt is 11 pixels high then; of those of 8 (960) most were missed
amp = "off"  # on a processor: bf16 gains nothing for so few channels, .33 to .42 CPU s a step against .32

model = dict(
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    neck=dict(in_channels=[16, 32, 64, 128], lateral_channels=64, out_channels=16),
    # FastDBModuleLoss: of 97 texts of one or two characters 14 to 19 were found, with this one 32.
    det_head=dict(in_channels=64, module_loss=dict(type="SmallTextDBModuleLoss")),
)
train_pipeline = [
    dict(type="CachedPage", megabytes="auto"),
    dict(type="LoadOCRAnnotations", with_bbox=True, with_polygon=True, with_label=True),
    dict(type="PageCrop", size=320, long_side=(930, 1530)),
    dict(type="PackTextDetInputs", meta_keys=("img_path", "ori_shape", "img_shape")),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
made_for = dict(epochs=14, batch_size=4)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=6e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.03, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type="PolyLR", power=0.9, eta_min=6e-6, end=14, by_epoch=True, convert_to_iter_based=True),
]
