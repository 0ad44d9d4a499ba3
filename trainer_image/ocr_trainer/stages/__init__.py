"""The five stages: each module has one `run(context)`, which a Job or `ocr-trainer run` calls."""
