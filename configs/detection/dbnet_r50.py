"""The old service's detector: DBNet with a ResNet-50, made for 50 epochs of batch 4 on a GPU.

Nothing is downloaded, so the backbone starts from random weights unless `initFrom` names a run of the same
project; with few images and no such run expect to need more epochs than a pretrained backbone would.
"""

_base_ = ["_base_dbnet.py"]

model = dict(
    backbone=dict(depth=50),
    neck=dict(in_channels=[256, 512, 1024, 2048]),
)
made_for = dict(epochs=50, batch_size=4)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3), clip_grad=dict(max_norm=5.0))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type="PolyLR", power=0.9, eta_min=1e-6, end=50, by_epoch=True, convert_to_iter_based=True),
]
