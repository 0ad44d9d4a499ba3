"""mmocr's CRNN without its LSTM at half its width: 1.4 M parameters, whole lines, quick on any machine.

The LSTM is left out because CTC needs long to leave its all-blank start with it; convolutions read whole
lines after minutes.
Full width: overrides `model.backbone.width: 1.0` and `model.decoder.in_channels: 512`.
"""

_base_ = ["_base_ctc.py"]

model = dict(
    type="CRNN",
    backbone=dict(type="SlimVGG", width=0.5),
    encoder=None,
    decoder=dict(type="CRNNDecoder", in_channels=256, rnn_flag=False),
)
made_for = dict(epochs=20, batch_size=64)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=20, eta_min=3e-5, end=20, by_epoch=True, convert_to_iter_based=True),
]
