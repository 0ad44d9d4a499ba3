"""Lists what an image holds as CycloneDX JSON: `sbom.py NAME VERSION ROOT`, its files under ROOT.

Python's packages as they are installed (cyclonedx-bom finds them and their licences), the interpreter, which
the base image compiled itself, and the packages of Debian. The list is the same bytes whenever it is made. It
is not validated here: that takes half a minute for each image.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from packageurl import PackageURL

SPECIFICATION = "1.6"

Component = dict[str, Any]


def main(name: str, version: str, root: Path) -> None:
    """The list goes to standard output."""
    document = python_packages(root / "opt" / "ocr" / "bin" / "python")
    document["metadata"]["component"] = {
        "bom-ref": name,
        "type": "container",
        "name": name,
        "version": version,
    }
    document["components"] += [interpreter(), *debian_packages(root)]
    json.dump(document, sys.stdout, indent=1)


def python_packages(python: Path) -> dict[str, Any]:
    """The document that cyclonedx-bom writes for that environment."""
    tool = str(Path(sys.executable).with_name("cyclonedx-py"))
    options = ["--output-reproducible", "--no-validate", "--spec-version", SPECIFICATION]
    command = [tool, "environment", *options, "--output-format", "JSON", str(python)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def interpreter() -> Component:
    """This one: every stage starts from the same base image."""
    return component(PackageURL("generic", None, "python", platform.python_version()), "platform")


def debian_packages(root: Path) -> list[Component]:
    """What dpkg knows as installed."""
    fields = "${db:Status-Status} ${Package} ${Version} ${Architecture}\n"
    command = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", f"--showformat={fields}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = [line.split() for line in done.stdout.splitlines() if line.startswith("installed ")]
    return [
        component(PackageURL("deb", "debian", package, version, {"arch": architecture}), "library")
        for _, package, version, architecture in sorted(found)
    ]


def component(purl: PackageURL, kind: str) -> Component:
    """One entry of the list, known by its address."""
    address = purl.to_string()
    return {"bom-ref": address, "type": kind, "name": purl.name, "version": purl.version, "purl": address}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
