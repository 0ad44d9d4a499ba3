"""What people annotated, made fit for training: reading COCO, checking, splitting, cropping. Torch-free."""
