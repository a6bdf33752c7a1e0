"""Runs every benchmark, one after the other, and prints their figures. Called by `make bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCHMARKS = ("bench_api.py", "bench_bytes.py", "bench_finetune.py")


def main() -> int:
    """Returns 0 if every benchmark ran; a missed aim is printed and fails nothing."""
    failed = []
    for name in BENCHMARKS:
        print(f"\n### {name}", flush=True)
        if subprocess.run([sys.executable, str(HERE / name)], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\ndid not run to the end: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
