"""DBNet with a ResNet-18, mmocr's dbnet_resnet18: 12 M parameters, half of dbnet_r50's time.

For small GPUs, and for pages of printed lines on which dbnet_r50 gains nothing.
"""

_base_ = ["_base_dbnet.py"]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=[64, 128, 256, 512]),
)
made_for = dict(epochs=50, batch_size=8)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=2e-3), clip_grad=dict(max_norm=5.0))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type="PolyLR", power=0.9, eta_min=2e-6, end=50, by_epoch=True, convert_to_iter_based=True),
]
