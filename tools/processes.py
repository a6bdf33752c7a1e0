"""Runs the Procfile with honcho, giving processes long enough to end in order.

honcho kills after five seconds what it has asked to stop; a Celery worker takes about seven to leave its broker, and
one with a job some more to stop its child.
"""

import sys

import honcho.command
import honcho.manager

STOP_SECONDS = 30

if __name__ == "__main__":
    honcho.manager.KILL_WAIT = STOP_SECONDS
    sys.exit(honcho.command.main())
