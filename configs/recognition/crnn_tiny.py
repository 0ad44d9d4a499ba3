"""mmocr's CRNN without its LSTM at a quarter of its width: .36 M parameters, whole lines, CPU.

8 epochs of batch 8 read receipts after four and a half minutes on two cores. The LSTM is left out because
CTC needs long to leave its all-blank start with it.
"""

_base_ = ["_base_lines.py"]

model = dict(
    type="CRNN",
    preprocessor=None,
    backbone=dict(type="SlimVGG", width=0.25),
    encoder=None,
    decoder=dict(
        type="CRNNDecoder",
        in_channels=128,
        rnn_flag=False,
        # zero_infinity: one line with more characters than steps would make the whole batch's loss infinite.
        module_loss=dict(type="CTCModuleLoss", zero_infinity=True),
        postprocessor=dict(type="BatchedCTCPostprocessor"),
        dictionary=dict(type="Dictionary", dict_file="", with_padding=True, with_unknown=False),
    ),
)
train_cfg = dict(type="ResumableEpochLoop", max_epochs=8)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2.5e-3, betas=(0.9, 0.99), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, end=0.4, by_epoch=True, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=8, eta_min=2.5e-5, end=8, by_epoch=True, convert_to_iter_based=True),
]
