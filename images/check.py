"""Whether an image can do its work, asked by its own Python at the end of its build.

Much is imported late, in functions, and one import may need what another has prepared: what is missing would
show in a pod only. So every module of the named packages is imported, then all that they import anywhere, and
every name that they take from it is looked for. What an image has no use for, it should not hold.
"""

import argparse
import ast
import importlib
import importlib.machinery
import pkgutil
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

PROGRAM_PATH = "/opt/ocr/bin:/opt/uv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main() -> int:
    """The exit status: 0 if the image is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="must be there with all they import")
    parser.add_argument(
        "--first", metavar="MODULE:FUNCTION", help="to be called before any other import, as the program does"
    )
    parser.add_argument(
        "--absent", nargs="+", default=[], metavar="NAME", help="no module or program of that name"
    )
    options = parser.parse_args()
    if options.first:
        module, _, function = options.first.partition(":")
        getattr(importlib.import_module(module), function)()
    modules = [module for package in options.packages for module in modules_of(package)]
    problems = sorted({problem for module in modules for problem in missing_in(module)})
    problems += [f"{name} is there: {place}" for name in options.absent for place in places_of(name)]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(modules)} modules import; {len(problems)} problems")
    return 1 if problems else 0


def modules_of(package: str) -> Iterator[ModuleType]:
    """The package and every module below it, imported."""
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        yield importlib.import_module(found.name)


def missing_in(module: ModuleType) -> Iterator[str]:
    """What the module imports anywhere, or takes from a module that it imports, and is not there."""
    tree = ast.parse(Path(str(module.__file__)).read_bytes())
    known: dict[str, ModuleType] = {}
    for node in ast.walk(tree):
        try:
            known |= imported(node)
        except ImportError as error:
            yield f"{module.__name__}, line {getattr(node, 'lineno', 0)}: {error}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            try:
                getattr(known[node.value.id], node.attr)
            except (AttributeError, ImportError) as error:
                yield f"{module.__name__}, line {node.lineno}: {error}"


def imported(node: ast.AST) -> dict[str, ModuleType]:
    """The modules that the statement gives a name, imported; ImportError if any of it is not there."""
    named: dict[str, ModuleType] = {}
    if isinstance(node, ast.Import):
        for alias in node.names:
            module = importlib.import_module(alias.name)
            if alias.asname or "." not in alias.name:
                named[alias.asname or alias.name] = module
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        module = importlib.import_module(node.module)
        for alias in node.names:
            if not hasattr(module, alias.name):
                importlib.import_module(f"{node.module}.{alias.name}")
            value = getattr(module, alias.name)
            if isinstance(value, ModuleType):
                named[alias.asname or alias.name] = value
    return named


def places_of(name: str) -> Iterator[str]:
    """Where a module or a program of that name lies, in the image's environment or in Python's own."""
    own = sysconfig.get_path("purelib", vars={"base": sys.base_prefix})
    spec = importlib.machinery.PathFinder.find_spec(name, [*sys.path, own])
    if spec is not None:
        yield str(spec.origin or spec.submodule_search_locations)
    program = shutil.which(name, path=PROGRAM_PATH)
    if program is not None:
        yield program


if __name__ == "__main__":
    sys.exit(main())
