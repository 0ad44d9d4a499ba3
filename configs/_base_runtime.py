"""What every training shares: our loop, hooks and log, a fixed seed, what makes it quick; no visualiser."""

default_scope = "mmocr"
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
randomness = dict(seed=0)

# Switches: each is on where results don't change beyond float noise, and off by a preset or an override.
amp = "auto"  # mixed precision where the machine computes it natively; "off": float32 everywhere
channels_last = True  # the memory layout that convolutions are quickest in; False: torch's ordinary one

train_cfg = dict(type="ResumableEpochLoop", max_epochs=1)  # the user's epochs
val_cfg = dict(type="ValLoop")
log_level = "INFO"
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True)
visualizer = dict(type="Visualizer", name="visualizer", vis_backends=[])
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=None,  # best.pth and last.pth are written by a hook of ours
    sampler_seed=dict(type="DistSamplerSeedHook"),
    sync_buffer=dict(type="SyncBuffersHook"),
)
load_from = None
resume = False
