"""Runs the test-suite: everything this machine can, in parallel.

With `WEIGHBRIDGE_REQUIRE_ALL_TESTS=1` (CI) a skipped test fails the run unless its reason starts with "not for ", which
is how a test says that this database or platform has no such thing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Runs pytest; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default="auto", help="parallel processes (pytest-xdist)")
    parser.add_argument("paths", nargs="*", default=["tests"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weighbridge-tests-") as folder:
        environment = {
            **os.environ,
            # Collecting the tests reads the settings; what they write belongs in a folder that goes away.
            "WEIGHBRIDGE_DATA_DIR": str(Path(folder) / "data"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            arguments.jobs,
            "--dist",
            "loadgroup",
            "-m",
            "not bench",
            "--durations=15",
            *arguments.paths,
        ]
        return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
