"""`python -m ocr_cluster`: build the tools, start and stop this machine's node, build images into it."""

import argparse
import shlex
import sys
from pathlib import Path

from ocr_cluster import build, images
from ocr_cluster.errors import ClusterError
from ocr_cluster.node import COMPONENTS, Node

REPOSITORY = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 done, 1 failed, 3 for `status` of a node that isn't up."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(Node(options.dir), options)
    except ClusterError as error:
        print(f"ocr_cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ocr_cluster: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ocr_cluster", description=__doc__)
    parser.add_argument(
        "--dir", type=Path, default=REPOSITORY / ".cluster", help="the node's folder (default: %(default)s)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("build", _build, "install what the node needs and compile what changed")
    command("up", _up, "start the node, or what of it does not run; prints the kubeconfig when it is Ready")
    command("down", _down, "stop the node; images and cluster state are kept")
    command("destroy", _destroy, "stop the node and remove everything in its folder")
    command("status", _status, "say what runs; exit status 3 unless the node is up")
    command("env", _env, 'print variables for kubectl and ctr: eval "$(python -m ocr_cluster env)"')
    command("kubeconfig", _kubeconfig, "print the path of the administrator's kubeconfig")
    kinds = command("image", None, "build images into the node").add_subparsers(required=True, metavar="WHAT")
    image = kinds.add_parser("build", help="build a target of the repository's Dockerfile")
    image.set_defaults(run=_image)
    image.add_argument("--target", required=True, help="the Dockerfile's stage")
    image.add_argument("--name", required=True, help="such as ocr-operator:dev")
    image.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    image.add_argument("--context", type=Path, default=REPOSITORY, help="folder with the Dockerfile")
    return parser


def _build(node: Node, _options: argparse.Namespace) -> int:
    build.build(REPOSITORY, node.binaries)
    return 0


def _up(node: Node, _options: argparse.Namespace) -> int:
    print(node.up())
    return 0


def _down(node: Node, _options: argparse.Namespace) -> int:
    node.down()
    return 0


def _destroy(node: Node, _options: argparse.Namespace) -> int:
    node.destroy()
    return 0


def _status(node: Node, _options: argparse.Namespace) -> int:
    running = node.running()
    for component in COMPONENTS:
        print(f"{component:24} {f'pid {running[component].pid}' if component in running else '-'}")
    up = node.is_up()
    print(f"{'node':24} {'Ready' if up else 'not up'}")
    return 0 if up else 3


def _env(node: Node, _options: argparse.Namespace) -> int:
    for name, value in node.environment().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _kubeconfig(node: Node, _options: argparse.Namespace) -> int:
    print(node.kubeconfig)
    return 0


def _image(node: Node, options: argparse.Namespace) -> int:
    node.up()
    build_arguments = dict(argument.partition("=")[::2] for argument in options.build_arg)
    images.build_image(node, options.context, options.target, options.name, build_arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
