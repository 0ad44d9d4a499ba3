"""DBNet on whole pages: mmocr's model with what document lines need, one-warp augmentation, hmean.

A preset adds the backbone's depth, the learning rate and `made_for`: the epochs and the batch that its rate
and schedule were chosen for.
"""

_base_ = ["../_base_runtime.py"]

long_side = 960  # pixels of a page's longer side when the detector looks for text; reaches val_pipeline, too
score_threshold = 0.6  # used where a checkpoint doesn't hold the threshold that validation found best

model = dict(
    type="DBNet",
    backbone=dict(
        type="mmdet.ResNet",
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=False,  # nothing is downloaded: there are no statistics to keep
        style="pytorch",
    ),
    neck=dict(type="FPNC", lateral_channels=256),
    det_head=dict(
        type="DBHead",
        in_channels=256,
        # FastDBModuleLoss: mmocr's own targets, drawn four times as fast; type="DBModuleLoss" turns it off.
        # min_sidelength 3 instead of 8: at training scale single digits are 5 to 8 pixels wide; mmocr takes
        # them for noise and teaches the detector nothing about them.
        module_loss=dict(type="FastDBModuleLoss", min_sidelength=3),
        # epsilon_ratio .002 instead of .01: mmocr's simplifies long thin lines to fewer than four points and
        # drops them; half of the lines of 16 characters and more vanished so.
        # CalibratedDBPostprocessor: boxes of short texts shortened as validation finds best.
        postprocessor=dict(type="CalibratedDBPostprocessor", text_repr_type="quad", epsilon_ratio=0.002),
    ),
    data_preprocessor=dict(
        type="TextDetDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
)

train_pipeline = [
    dict(type="CachedPage", megabytes="auto"),  # a share of the memory there is; 0: no cache
    dict(type="LoadOCRAnnotations", with_bbox=True, with_polygon=True, with_label=True),
    dict(type="PageCrop", size=640, long_side=(640, 1600)),
    dict(type="PackTextDetInputs", meta_keys=("img_path", "ori_shape", "img_shape")),
]
val_pipeline = [
    dict(type="CachedPage", megabytes=0),
    dict(type="Resize", scale=(960, 960), keep_ratio=True),
    dict(type="LoadOCRAnnotations", with_bbox=True, with_polygon=True, with_label=True),
    dict(type="PackTextDetInputs", meta_keys=("img_path", "ori_shape", "img_shape", "scale_factor")),
]
train_dataloader = dict(
    sampler=dict(type="DefaultSampler", shuffle=True),
    batch_sampler=dict(type="PageBatches"),
    dataset=dict(type="PageDataset", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="OCRDataset", pipeline=val_pipeline, test_mode=True),
)
# Thresholds .05 apart instead of mmocr's .1: texts score .70 to .83, where a tenth loses 3 % of them.
val_evaluator = dict(type="CalibratedHmeanMetric", pred_score_thrs=dict(start=0.3, stop=0.9, step=0.05))
