"""Recognisers that read all characters at once (CTC): what mmocr's CRNN and SVTR need for whole lines."""

_base_ = ["_base_lines.py"]

model = dict(
    preprocessor=None,  # lines are laid flat already
    decoder=dict(
        module_loss=dict(
            type="CTCModuleLoss",
            letter_case="unchanged",  # mmocr's presets teach lower case only
            # One line with more characters than steps would make the whole batch's loss infinite.
            zero_infinity=True,
        ),
        # mmocr's greedy decoding, one argmax a batch; type="CTCPostProcessor" is its own, a step at a time.
        postprocessor=dict(type="BatchedCTCPostprocessor"),
        dictionary=dict(
            type="Dictionary",
            dict_file="",  # the run's own characters
            with_padding=True,  # CTC's blank
            with_unknown=False,  # nobody teaches that class, yet it may be read: five characters, `<UKN>`
        ),
    ),
)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
