"""The outbox: messages leave after their transaction, at least once, by one relay at a time."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from registry.audit import doorbell, outbox, relay
from registry.audit.models import OutboxMessage
from registry.audit.services import outbox_add
from registry.audit.tasks import prune_outbox, relay_outbox
from registry.celery import app

TOPIC = "test.topic"


@pytest.fixture
def handle() -> Iterator[Callable[[outbox.Handler], None]]:
    """Registers a handler for the test's topic and forgets it afterwards."""
    yield lambda handler: outbox.register(TOPIC, handler)
    outbox._handlers.pop(TOPIC, None)


def _fail(payload: Mapping[str, Any]) -> None:
    raise ConnectionError("nobody home")


def _accept(payload: Mapping[str, Any]) -> None:
    """Delivers and keeps nothing."""


def _make_due() -> None:
    OutboxMessage.objects.update(due_at=timezone.now())


@pytest.mark.django_db
def test_a_due_message_reaches_its_handler_once(handle: Any) -> None:
    seen: list[Mapping[str, Any]] = []
    handle(seen.append)
    outbox_add(topic=TOPIC, payload={"id": 1})
    assert relay_outbox() == 1
    assert relay_outbox() == 0
    assert seen == [{"id": 1}]
    message = OutboxMessage.objects.get()
    assert message.sent_at is not None
    assert message.last_error == ""


@pytest.mark.django_db
def test_a_message_waits_until_it_is_due(handle: Any) -> None:
    seen: list[Mapping[str, Any]] = []
    handle(seen.append)
    outbox_add(topic=TOPIC, payload={}, due_at=timezone.now() + timedelta(hours=1))
    assert relay_outbox() == 0
    _make_due()
    assert relay_outbox() == 1
    assert len(seen) == 1


@pytest.mark.django_db
def test_a_message_of_a_rolled_back_transaction_never_leaves(handle: Any) -> None:
    handle(_fail)
    with transaction.atomic():
        outbox_add(topic=TOPIC, payload={})
        transaction.set_rollback(True)
    assert relay_outbox() == 0


@pytest.mark.django_db
def test_a_failing_handler_keeps_the_message_for_later(handle: Any, caplog: pytest.LogCaptureFixture) -> None:
    handle(_fail)
    outbox_add(topic=TOPIC, payload={})
    assert relay_outbox() == 0
    message = OutboxMessage.objects.get()
    assert message.sent_at is None
    assert message.attempts == 1
    assert message.last_error == "ConnectionError: nobody home"
    assert timedelta(0) < message.due_at - timezone.now() <= timedelta(seconds=5)
    assert relay_outbox() == 0  # not due again yet
    handle(_accept)
    _make_due()
    assert relay_outbox() == 1


@pytest.mark.django_db
def test_a_failing_message_does_not_hold_up_the_others(handle: Any, caplog: pytest.LogCaptureFixture) -> None:
    def refuse_first(payload: Mapping[str, Any]) -> None:
        if payload["id"] == 1:
            _fail(payload)

    handle(refuse_first)
    for number in (1, 2, 3):
        outbox_add(topic=TOPIC, payload={"id": number})
    assert relay_outbox() == 2


@pytest.mark.django_db
def test_a_topic_without_a_handler_waits_for_one(handle: Any, caplog: pytest.LogCaptureFixture) -> None:
    outbox_add(topic=TOPIC, payload={})
    assert relay_outbox() == 0
    assert "no handler is registered" in OutboxMessage.objects.get().last_error


@pytest.mark.django_db
def test_a_message_whose_relay_died_falls_due_again(handle: Any) -> None:
    class Killed(BaseException):
        pass

    def die(payload: Mapping[str, Any]) -> None:
        raise Killed

    handle(die)
    outbox_add(topic=TOPIC, payload={})
    with pytest.raises(Killed):
        relay_outbox()
    message = OutboxMessage.objects.get()
    assert message.sent_at is None
    assert message.due_at - timezone.now() <= relay.CLAIM
    handle(_accept)
    _make_due()
    assert relay_outbox() == 1


@pytest.mark.django_db
def test_a_relay_that_lost_its_claim_does_not_overwrite_the_outcome(handle: Any) -> None:
    def overtaken(payload: Mapping[str, Any]) -> None:
        _make_due()
        handle(_accept)
        assert relay_outbox() == 1
        _fail(payload)

    handle(overtaken)
    outbox_add(topic=TOPIC, payload={})
    relay_outbox()
    message = OutboxMessage.objects.get()
    assert message.sent_at is not None
    assert message.last_error == ""


def test_the_back_off_doubles_up_to_an_hour() -> None:
    assert [relay.back_off(attempts).total_seconds() for attempts in (1, 2, 3, 10, 11, 1000)] == [
        5,
        10,
        20,
        2560,
        3600,
        3600,
    ]


@pytest.mark.django_db
def test_a_batch_is_limited(handle: Any) -> None:
    handle(_accept)
    for _ in range(3):
        outbox_add(topic=TOPIC, payload={})
    assert relay.relay_due(limit=2) == 2


@pytest.mark.django_db(transaction=True)
def test_two_relays_never_deliver_one_message_twice(handle: Any) -> None:
    delivered: Counter[int] = Counter()
    lock = threading.Lock()

    def count(payload: Mapping[str, Any]) -> None:
        with lock:
            delivered[payload["id"]] += 1

    handle(count)
    OutboxMessage.objects.bulk_create(OutboxMessage(topic=TOPIC, payload={"id": number}) for number in range(40))
    barrier = threading.Barrier(2)

    def run() -> None:
        try:
            barrier.wait()
            relay.relay_due()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert delivered == Counter(range(40))


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks sent to the broker, which stands at the edge of the process."""
    names: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, **_: names.append(name))
    return names


@pytest.mark.django_db
def test_the_doorbell_rings_after_the_commit(rung: list[str], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        outbox_add(topic=TOPIC, payload={})
        assert rung == []
    assert rung == ["registry.audit.tasks.relay_outbox"]


@pytest.mark.django_db
def test_a_message_for_later_rings_no_doorbell(rung: list[str], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        outbox_add(topic=TOPIC, payload={}, due_at=timezone.now() + timedelta(hours=1))
    assert rung == []


def test_a_broker_that_is_down_is_logged_and_not_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(name: str, **options: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(app, "send_task", refuse)
    with caplog.at_level(logging.WARNING):
        doorbell.ring()
    assert "the broker cannot be reached" in caplog.text


def test_the_relay_is_known_by_the_name_that_the_doorbell_sends() -> None:
    assert relay_outbox.name == doorbell.RELAY_TASK


@pytest.mark.django_db
def test_sent_messages_go_after_a_week_and_unsent_ones_never(handle: Any) -> None:
    handle(_accept)
    week = timedelta(days=7)
    sent_old, sent_lately, unsent = [outbox_add(topic=TOPIC, payload={"id": number}) for number in range(3)]
    long_ago = timezone.now() - week - timedelta(seconds=1)
    OutboxMessage.objects.update(created_at=long_ago, due_at=long_ago)
    OutboxMessage.objects.filter(pk=sent_old.pk).update(sent_at=long_ago)
    OutboxMessage.objects.filter(pk=sent_lately.pk).update(sent_at=timezone.now() - week + timedelta(minutes=1))
    assert prune_outbox() == 1
    assert set(OutboxMessage.objects.values_list("pk", flat=True)) == {sent_lately.pk, unsent.pk}
    assert relay_outbox() == 1


@pytest.mark.django_db
def test_more_sent_messages_than_one_batch_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "PRUNE_BATCH", 2)
    long_ago = timezone.now() - timedelta(days=30)
    OutboxMessage.objects.bulk_create(OutboxMessage(topic=TOPIC, sent_at=long_ago) for _ in range(5))
    assert prune_outbox() == 5
    assert not OutboxMessage.objects.exists()


def test_the_schedule_names_tasks_that_exist() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)
