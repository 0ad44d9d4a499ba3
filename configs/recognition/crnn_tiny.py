"""mmocr's CRNN at a quarter of its width, .49 M parameters: whole lines after minutes on two CPU cores.

The LSTM is left out because CTC needs long to leave its all-blank start with it; two blocks of convolutions
along the line stand in for it. A third of the lines are drawn with fonts, so that words are read that the
data doesn't have.
"""

_base_ = ["_base_ctc.py"]

amp = "off"  # on a processor: so few channels take 2.4 times as long in bf16 as in float32

model = dict(
    type="CRNN",
    backbone=dict(type="SlimVGG", width=0.25, context=2),
    encoder=None,
    decoder=dict(type="CRNNDecoder", in_channels=128, rnn_flag=False),
)
train_dataloader = dict(dataset=dict(synthetic=0.3))
made_for = dict(epochs=8, batch_size=8)  # the learning rate is scaled from this batch
optim_wrapper = dict(optimizer=dict(lr=2.5e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, end=0.4, by_epoch=True, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=8, eta_min=2.5e-5, end=8, by_epoch=True, convert_to_iter_based=True),
]
