"""Run-wide rule of the test-suite: in CI a test that was meant to run may not be skipped."""

from __future__ import annotations

import os

import pytest

REQUIRE_ALL = "WEIGHBRIDGE_REQUIRE_ALL_TESTS"
ALLOWED = "Skipped: not for "


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails the run for skipped tests, unless the reason says that the test is "not for" this database or platform."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get(REQUIRE_ALL) or reporter is None or hasattr(session.config, "workerinput"):
        return
    reports = reporter.stats.get("skipped", [])
    unwanted = [report for report in reports if not str(report.longrepr[2]).startswith(ALLOWED)]
    for report in unwanted:
        reporter.write_line(f"skipped although every test is required: {report.nodeid}: {report.longrepr[2]}", red=True)
    if unwanted:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
