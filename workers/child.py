"""The process a job runs in: `python -m workers.child CLAIM_FILE DESCRIPTOR`. The only place that imports torch.

It reads the claim, runs the recipe of the job's kind and task, and says how that ended as one last record. The exit
status is 0 when a result or an orderly stop was reported, 1 after a reported failure.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from workers.claim import parse_claim
from workers.context import Channel, Context, Control, listen_to_supervisor
from workers.failures import FailureCode, JobFailedError, JobStoppedError, failure_of

RECIPES = {
    ("finetune", "text-classification"): "workers.recipes.text_classification",
    ("evaluate", "text-classification"): "workers.recipes.evaluate_text_classification",
}


def main(arguments: list[str]) -> int:
    """Runs the job described in the claim file; returns the exit status."""
    started = time.monotonic()
    claim_file, descriptor = Path(arguments[0]), int(arguments[1])
    channel, control = Channel(descriptor), Control()
    listen_to_supervisor(control)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    claim = parse_claim(json.loads(claim_file.read_text(encoding="utf-8")))
    context = Context(claim, claim_file.parent, channel, control, started)
    try:
        channel.emit("running")
        channel.emit("result", **run_recipe(context))
    except JobStoppedError:
        return 0
    except Exception as error:  # noqa: BLE001 (the process edge: every failure must reach the supervisor as a code)
        failure = failure_of(error)
        if failure.code in {FailureCode.INTERNAL, FailureCode.DEPENDENCY_MISSING}:
            traceback.print_exception(error)
        channel.emit("failure", code=failure.code.value, message=failure.message)
        return 1
    return 0


def run_recipe(context: Context) -> dict[str, Any]:
    """Prepares torch and runs the recipe of the claim's kind and task.

    Raises:
        JobFailedError: with the reason; `bad_spec` when this worker has no such recipe.
        JobStoppedError: somebody asked to stop and nothing is to be published.
    """
    claim = context.claim
    module = RECIPES.get((claim.kind, claim.task))
    if module is None:
        raise JobFailedError(FailureCode.BAD_SPEC, f"this worker has no recipe for `{claim.kind}` of `{claim.task}`")
    _prepare_torch(int(os.environ.get("OMP_NUM_THREADS", "1")))
    result: dict[str, Any] = importlib.import_module(module).run(context)
    return result


def _prepare_torch(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    # Errors where an operation has no repeatable kernel: silence there would make a resumed run another run.
    torch.use_deterministic_algorithms(mode=True, warn_only=torch.cuda.is_available())
    torch.set_float32_matmul_precision("high")  # TF32 where the GPU has it; no effect on a CPU


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Skips the interpreter's shut-down, which under load takes torch seconds and may hang on library threads.
    os._exit(status)
