"""The command line: a stage in its pod, a whole run on this machine, or the data checks alone."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ocr_contract.exit_codes import ExitCode
from ocr_contract.stage_input import INIT_MOUNT, RUN_MOUNT, TEST_MOUNT
from ocr_contract.stages import Stage
from ocr_trainer.errors import TrainerError, WrongCall

_EXIT_CODES = (
    "exit codes: 0 done, 64 wrong call, 65 the data can't be used, 75 stopped after a checkpoint "
    "(the same call goes on), 78 wrong settings, 1 anything else"
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A wrong call ends with 64; argparse's 2 would be retried by a Job."""
        self.print_usage(sys.stderr)
        self.exit(ExitCode.WRONG_CALL, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = _build_parser().parse_args(arguments)
    try:
        return int(parsed.action(parsed))
    except TrainerError as error:
        print(f"ocr-trainer: {error.message}", file=sys.stderr)
        return error.exit_code


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ocr-trainer",
        description="Train text detectors and recognisers on annotated images.",
        epilog=_EXIT_CODES,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    run = commands.add_parser(
        "run",
        help="run all stages of an OcrProject manifest on this machine",
        description="Run all stages of an OcrProject manifest one after another, without Kubernetes. Images "
        "and annotations lie in <root>/train/<projectID>/<train.id>/. Ctrl-C stops after a checkpoint, and "
        "the same command goes on from there.",
        epilog=_EXIT_CODES,
    )
    run.add_argument("manifest", type=Path, metavar="project.yaml")
    run.add_argument("--root", type=Path, default=Path(), help="root of the volume (default: this folder)")
    run.set_defaults(action=_run)
    check = commands.add_parser(
        "check",
        help="check images and annotations, write nothing",
        description="Check the images and annotations in FOLDER as a run would, print what is wrong with "
        "them and the data set's figures, and write nothing. The options are the fields of train.dataset; "
        "files and folders are relative to FOLDER.",
        epilog=_EXIT_CODES,
    )
    check.add_argument("folder", type=Path, metavar="FOLDER", help="a run's folder: images and COCO files")
    names = "(default: found by itself)"
    check.add_argument("--annotations", default="", metavar="FILE", help=f"the annotation file {names}")
    check.add_argument(
        "--validation", default="", metavar="FILE", help="the validation's (default: val*.json, or a tenth)"
    )
    check.add_argument("--text-key", default="", metavar="KEY", help=f"the key that holds the text {names}")
    check.add_argument(
        "--categories", default="", metavar="A,B", help="categories to use (default: all that carry text)"
    )
    check.add_argument(
        "--path", default="", metavar="SUBFOLDER", help="where the images lie (default: FOLDER)"
    )
    check.set_defaults(action=_check)
    stage = commands.add_parser(
        "stage",
        help="run one stage in its pod (what the operator's Jobs call)",
        description="Run one stage; OCR_STAGE_INPUT holds its input as JSON, OCR_POD_UID the pod's uid.",
        epilog=_EXIT_CODES,
    )
    stage.add_argument("name", type=Stage, choices=list(Stage), metavar="|".join(Stage))
    stage.add_argument("--run-folder", type=Path, default=Path(RUN_MOUNT), help="default: %(default)s")
    stage.add_argument("--test-folder", type=Path, default=Path(TEST_MOUNT), help="default: %(default)s")
    stage.add_argument("--init-folder", type=Path, default=Path(INIT_MOUNT), help="default: %(default)s")
    stage.set_defaults(action=_stage)
    return parser


def _run(parsed: argparse.Namespace) -> int:
    from ocr_trainer.local import run_project

    return run_project(parsed.manifest, parsed.root)


def _check(parsed: argparse.Namespace) -> int:
    from pydantic import ValidationError

    from ocr_contract.spec import Dataset, Validation
    from ocr_trainer.folder_check import check_folder
    from ocr_trainer.settings_errors import in_words

    try:
        settings = Dataset(
            path=parsed.path,
            annotations=parsed.annotations,
            validation=Validation(file=parsed.validation),
            text_key=parsed.text_key,
            categories=[name.strip() for name in parsed.categories.split(",") if name.strip()],
        )
    except ValidationError as error:
        raise WrongCall(in_words(error, "train.dataset")) from error
    return check_folder(parsed.folder, settings)


def _stage(parsed: argparse.Namespace) -> int:
    from ocr_trainer.pod import run_in_pod

    return run_in_pod(parsed.name, os.environ, parsed.run_folder, parsed.test_folder, parsed.init_folder)


if __name__ == "__main__":
    sys.exit(main())
