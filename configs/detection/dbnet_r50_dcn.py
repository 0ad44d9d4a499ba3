"""The best detector of mmocr's DBNet family: ResNet-50 whose stages 3 to 5 convolve where text bends.

mmocr's dbnet_resnet50-dcnv2. Its deformable convolutions (DCNv2) run on torchvision's operator: same
parameters, nothing to compile, float32 only. For curved, slanted or crumpled pages, and for a GPU: on a
processor a step takes four times (in bf16 seven times) that of dbnet_r50.
"""

_base_ = ["dbnet_r50.py"]

model = dict(
    backbone=dict(
        dcn=dict(type="DCNv2", deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
    ),
)
