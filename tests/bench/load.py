"""Load generation for benchmarks: `wrk` where it is installed, with latency percentiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

_UNIT = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Measurement:
    """Requests per second and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float
    errors: int


def wrk(url: str, *, connections: int, seconds: int = 5, headers: dict[str, str] | None = None) -> Measurement:
    """Runs wrk against an address of this machine; `seconds` bounds it.

    Raises:
        RuntimeError: wrk is not installed, or printed something unexpected.
    """
    if not shutil.which("wrk"):
        raise RuntimeError("wrk is needed for this benchmark: install the package `wrk`")
    header_options = [part for name, value in (headers or {}).items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *header_options, url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return parse(output)


def parse(output: str) -> Measurement:
    """Reads wrk's report."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    percentiles = dict(re.findall(r"(50|99)%\s+([\d.]+(?:us|ms|s|m))\b", output))
    if rate is None or set(percentiles) != {"50", "99"}:
        raise RuntimeError(f"wrk said something unexpected:\n{output}")
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return Measurement(
        rate=float(rate[1]),
        p50=milliseconds(percentiles["50"]),
        p99=milliseconds(percentiles["99"]),
        errors=int(failed[1]) if failed else 0,
    )


def milliseconds(text: str) -> float:
    """Reads `1.23ms`, `450us`, `2s`."""
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * _UNIT[unit]
