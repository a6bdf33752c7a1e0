"""A child without torch: does what the claim's `script` says, to test supervision alone.

Steps: ["emit", {record}], ["print", text], ["await_stop"], ["ask_publish"], ["ignore_sigterm"], ["exit", status],
["kill_self"], ["allocate", bytes].
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from workers.claim import parse_claim
from workers.context import Channel, Context, Control, listen_to_supervisor

KEPT: list[bytearray] = []


def await_stop(context: Context) -> None:
    """Waits until the supervisor asks for something, then says that it has heard."""
    while not context.control.stop:
        time.sleep(0.01)
    context.stopping()
    context.channel.emit("log", line=f"stopped: {context.control.stop}", stream="stdout")


def perform(context: Context, name: str, argument: Any) -> None:
    """Performs one step of the script."""
    if name == "emit":
        context.channel.emit(**argument)
    elif name == "print":
        print(argument, flush=True)  # noqa: T201 (a log line is what is tested)
    elif name == "await_stop":
        await_stop(context)
    elif name == "ask_publish":
        context.channel.emit("log", line=f"may publish: {context.may_publish()}", stream="stdout")
    elif name == "ignore_sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif name == "exit":
        os._exit(argument)
    elif name == "kill_self":
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == "allocate":
        KEPT.append(bytearray(os.urandom(1024) * (argument // 1024)))
    elif name == "hang":
        threading.Event().wait()


def main() -> None:
    """Runs the script of the claim."""
    claim_file, descriptor = Path(sys.argv[1]), int(sys.argv[2])
    control = Control()
    listen_to_supervisor(control)
    claim = parse_claim(json.loads(claim_file.read_text()))
    context = Context(claim, claim_file.parent, Channel(descriptor), control, time.monotonic())
    for name, argument in claim.raw["script"]:
        perform(context, name, argument)


if __name__ == "__main__":
    main()
