"""mmocr's CRNN without its LSTM at a quarter of its width: .36 M parameters, whole lines, CPU.

8 epochs of batch 8 read receipts after four and a half minutes on two cores. The LSTM is left out because
CTC needs long to leave its all-blank start with it.
"""

_base_ = ["_base_ctc.py"]

model = dict(
    type="CRNN",
    backbone=dict(type="SlimVGG", width=0.25),
    encoder=None,
    decoder=dict(type="CRNNDecoder", in_channels=128, rnn_flag=False),
)
made_for = dict(epochs=8, batch_size=8)  # the learning rate is scaled from this batch
optim_wrapper = dict(optimizer=dict(lr=2.5e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, end=0.4, by_epoch=True, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=8, eta_min=2.5e-5, end=8, by_epoch=True, convert_to_iter_based=True),
]
