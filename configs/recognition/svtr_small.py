"""mmocr's SVTR-small for lines of any length up to 960 pixels: local, then global attention, and CTC.

mmocr's encoder knows one size of picture and 25 characters, its spatial transformer squeezes lines into 100
pixels. Here any width goes in, a step of reading is four pixels, and nothing is squeezed: made for long lines
in varied fonts on a GPU, where the convolutions of crnn_small see too little of a word at once.
"""

_base_ = ["_base_ctc.py"]

reading = dict(height=32, step=32, widest=960, squeeze=0.7, pad_x=0.15, pad_y=0.1)

model = dict(
    type="SVTR",
    encoder=dict(
        type="FlexSVTREncoder",
        img_size=[32, 960],
        in_channels=3,
        out_channels=192,
        embed_dims=[96, 192, 256],
        depth=[3, 6, 6],
        num_heads=[3, 6, 8],
        mixer_types=["Local"] * 8 + ["Global"] * 7,
        window_size=[[7, 11], [7, 11], [7, 11]],
        merging_types="Conv",
        prenorm=False,  # mmocr's name is crossed: this normalises before each block
    ),
    decoder=dict(type="SVTRDecoder", in_channels=192),
)
made_for = dict(epochs=20, batch_size=64)
optim_wrapper = dict(optimizer=dict(lr=5e-4, weight_decay=0.05))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=20, eta_min=5e-6, end=20, by_epoch=True, convert_to_iter_based=True),
]
