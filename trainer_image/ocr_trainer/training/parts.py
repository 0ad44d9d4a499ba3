"""Makes everything known that a preset may name: mmocr's own classes and ours.

The modules named *_parts are model code and import nothing of this package, so that they can go into a
bundle and run without it.
"""

from ocr_trainer import compat


def register() -> None:
    """Import what registers itself; takes seconds the first time, nothing later."""
    compat.install()
    from ocr_trainer.training import (  # noqa: F401
        box_parts,
        calibration,
        detector_parts,
        lines,
        pages,
        precision,
        recogniser_parts,
        svtr_parts,
    )
