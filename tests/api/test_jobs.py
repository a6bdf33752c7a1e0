"""The native API of jobs: who may ask, see, follow and stop, and what every bad request gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from registry.accounts.models import Organization, User
from registry.accounts.selectors import principal_for_user
from registry.catalogue.publishing import repository_publish
from registry.jobs.models import Job
from registry.jobs.selectors import EVENTS_SALT
from registry.licensing.services import licenses_load
from registry.repositories.operations import AddFile
from registry.storage.links import read_claims

pytestmark = pytest.mark.django_db
Headers = Callable[..., dict[str, str]]
FINETUNE: dict[str, Any] = {
    "kind": "finetune",
    "task": "text-classification",
    "base": {"repo": "alice/encoder"},
    "data": {"repo": "alice/reviews"},
    "output": {"repo": "alice/tuned"},
}


@pytest.fixture
def inputs(alice: User) -> None:
    """A model and a dataset of alice's."""
    principal = principal_for_user(alice)
    for kind, name in (("model", "encoder"), ("dataset", "reviews")):
        files = (AddFile("README.md", b"# Here\n"),)
        repository_publish(principal=principal, type=kind, namespace=None, name=name, private=False, files=files)


@pytest.fixture
def open_inputs(inputs: None, alice: User) -> dict[str, Any]:
    """A request on a model and a dataset whose licenses let anybody train, with the catalogue of licenses loaded."""
    licenses_load()
    for kind, name, known in (("model", "open", "apache-2.0"), ("dataset", "open-data", "cc0-1.0")):
        repository_publish(
            principal=principal_for_user(alice),
            type=kind,
            namespace=None,
            name=name,
            private=False,
            files=(AddFile("README.md", f"---\nlicense: {known}\n---\n".encode()),),
        )
    return FINETUNE | {"base": {"repo": "alice/open"}, "data": {"repo": "alice/open-data"}}


@pytest.fixture
def ask(client: Client, inputs: None) -> Callable[..., Any]:
    """Returns `ask(headers, spec=FINETUNE, query="")`: the answer to a request for a job."""

    def post(headers: dict[str, str], spec: Any = FINETUNE, query: str = "") -> Any:
        return client.post(f"/api/v1/jobs{query}", spec, content_type="application/json", headers=headers)

    return post


@pytest.fixture
def job_id(ask: Any, alice: User, bearer: Headers) -> str:
    """A queued job of alice's."""
    answer = ask(bearer(alice))
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def _stop(client: Client, job_id: str, headers: dict[str, str], body: Any = None) -> Any:
    path = f"/api/v1/jobs/{job_id}/stop"
    return client.post(path, body or {}, content_type="application/json", headers=headers)


def test_a_job_is_asked_for_and_read_back(client: Client, ask: Any, alice: User, bearer: Headers) -> None:
    headers = bearer(alice)
    created = ask(headers)
    assert created.status_code == 201
    body = created.json()
    assert created["Location"] == f"/api/v1/jobs/{body['id']}"
    assert [decision["action"] for decision in body["decisions"]] == ["modify", "use"]
    read = client.get(created["Location"], headers=headers).json()
    assert (read["state"], read["spec"]["train"]["epochs"], read["output"]["commit"]) == ("queued", 1, None)
    claims = read_claims(read["events_url"].split("token=")[1], salt=EVENTS_SALT)
    assert claims == {"job": body["id"]}


@pytest.mark.parametrize("query", ["?dry_run=1", "?dry_run=true"])
def test_a_dry_run_answers_200_and_queues_nothing(ask: Any, alice: User, bearer: Headers, query: str) -> None:
    answer = ask(bearer(alice), query=query)
    assert answer.status_code == 200
    assert answer.json()["ok"] is True
    assert {check["name"] for check in answer.json()["checks"]} == {"gate.base", "gate.data", "quota", "memory"}
    assert not Job.objects.exists()


def test_an_unknown_key_is_422_with_its_field(ask: Any, alice: User, bearer: Headers) -> None:
    answer = ask(bearer(alice), FINETUNE | {"train": {"epoch": 1}})
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["code"] == "job_spec_invalid"
    assert answer.json()["errors"] == [{"field": "train.epoch", "message": "is not known here; did you mean `epochs`"}]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'"x"', "application/json", 422),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b'"' + b"x" * 300_000 + b'"', "application/json", 413),
    ],
)
def test_a_bad_body_is_a_clear_refusal(
    *, client: Client, alice: User, bearer: Headers, body: bytes, content_type: str, status: int
) -> None:
    answer = client.generic("POST", "/api/v1/jobs", body, content_type=content_type, headers=bearer(alice))
    assert answer.status_code == status, answer.content
    assert answer.json()["detail"]


def test_nobody_a_bad_token_and_an_expired_one_are_401(client: Client, ask: Any, alice: User, bearer: Headers) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wb_nonsense"},
        bearer(alice, expired=True),
        bearer(alice, revoked=True),
    ):
        assert ask(headers).status_code == 401
        assert client.get("/api/v1/jobs", headers=headers).status_code == 401


def test_a_session_without_a_csrf_token_starts_nothing(inputs: None, client_for: Any, alice: User) -> None:
    browser = client_for(alice, enforce_csrf_checks=True)
    assert browser.post("/api/v1/jobs", FINETUNE, content_type="application/json").status_code == 403
    assert browser.get("/api/v1/jobs").status_code == 200


def test_a_read_token_reads_and_does_not_start_or_stop(
    client: Client, ask: Any, job_id: str, alice: User, bearer: Headers
) -> None:
    reader = bearer(alice, "read")
    assert client.get(f"/api/v1/jobs/{job_id}", headers=reader).status_code == 200
    assert ask(reader).status_code == 403
    assert _stop(client, job_id, reader).status_code == 403


def test_a_fine_grained_token_needs_the_scope(client: Client, job_id: str, alice: User, bearer: Headers) -> None:
    without = bearer(alice, "fineGrained", scopes={"global": ["repositories.read"]})
    assert client.get(f"/api/v1/jobs/{job_id}", headers=without).status_code == 403
    having = bearer(alice, "fineGrained", scopes={"global": ["jobs.read"]})
    assert client.get(f"/api/v1/jobs/{job_id}", headers=having).status_code == 200


@pytest.mark.parametrize("path", ["", "/events", "/log"])
def test_a_stranger_finds_nothing(client: Client, job_id: str, bob: User, bearer: Headers, path: str) -> None:
    assert client.get(f"/api/v1/jobs/{job_id}{path}", headers=bearer(bob)).status_code == 404
    assert client.get(f"/api/v1/jobs/{job_id}{path}").status_code == 404
    assert _stop(client, job_id, bearer(bob)).status_code == 404
    assert client.get("/api/v1/jobs?everyone=1", headers=bearer(bob)).json()["items"] == []


def test_admins_of_the_output_and_operators_see_a_job(
    *,
    client: Client,
    ask: Any,
    open_inputs: dict[str, Any],
    acme: Organization,
    carol: User,
    wendy: User,
    rita: User,
    operator: User,
    bearer: Headers,
) -> None:
    created = ask(bearer(wendy), open_inputs | {"output": {"repo": "acme/tuned"}}).json()
    statuses = {
        user.username: client.get(f"/api/v1/jobs/{created['id']}", headers=bearer(user)).status_code
        for user in (carol, wendy, rita, operator)
    }
    assert statuses == {"carol": 200, "wendy": 200, "rita": 404, "olga": 200}
    assert _stop(client, created["id"], bearer(carol)).json()["state"] == "cancelled"


def test_stopping_twice_is_stopping_once(client: Client, job_id: str, alice: User, bearer: Headers) -> None:
    headers = bearer(alice)
    for _ in range(2):
        answer = _stop(client, job_id, headers, {"mode": "cancel"})
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


def test_an_unknown_way_to_stop_is_422(client: Client, job_id: str, alice: User, bearer: Headers) -> None:
    assert _stop(client, job_id, bearer(alice), {"mode": "kill"}).status_code == 422


def test_the_list_goes_page_by_page_newest_first(client: Client, ask: Any, alice: User, bearer: Headers) -> None:
    headers = bearer(alice)
    made = [ask(headers, FINETUNE | {"output": {"repo": f"alice/out{number}"}}).json()["id"] for number in range(3)]
    first = client.get("/api/v1/jobs?limit=2", headers=headers).json()
    rest = client.get(f"/api/v1/jobs?limit=2&cursor={first['next_cursor']}", headers=headers).json()
    assert [job["id"] for job in first["items"] + rest["items"]] == sorted(made, reverse=True)
    assert rest["next_cursor"] is None


def test_the_list_is_one_query_however_long(
    client: Client, ask: Any, alice: User, bearer: Headers, django_assert_max_num_queries: Any
) -> None:
    headers = bearer(alice)
    for number in range(4):
        ask(headers, FINETUNE | {"output": {"repo": f"alice/out{number}"}})
    client.get("/api/v1/jobs", headers=headers)
    with django_assert_max_num_queries(4):  # token, memberships, namespaces, jobs
        assert len(client.get("/api/v1/jobs", headers=headers).json()["items"]) == 4


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=101", "cursor=zzz", "state=asleep"])
def test_a_bad_query_is_422(client: Client, alice: User, bearer: Headers, query: str) -> None:
    assert client.get(f"/api/v1/jobs?{query}", headers=bearer(alice)).status_code == 422


def test_the_list_filters_by_state(client: Client, job_id: str, alice: User, bearer: Headers) -> None:
    headers = bearer(alice)
    found = {
        state: len(client.get(f"/api/v1/jobs?state={state}", headers=headers).json()["items"])
        for state in ("unfinished", "queued", "failed")
    }
    assert found == {"unfinished": 1, "queued": 1, "failed": 0}


def test_events_are_read_on_from_the_last_id(client: Client, job_id: str, alice: User, bearer: Headers) -> None:
    headers = bearer(alice)
    first = client.get(f"/api/v1/jobs/{job_id}/events", headers=headers).json()
    assert [(event["kind"], event["payload"]["to"]) for event in first["items"]] == [("state", "queued")]
    again = client.get(f"/api/v1/jobs/{job_id}/events?after={first['last_id']}", headers=headers).json()
    assert (again["items"], again["last_id"], again["state"]) == ([], first["last_id"], "queued")


def test_the_log_is_plain_text_that_no_browser_runs(client: Client, job_id: str, alice: User, bearer: Headers) -> None:
    answer = client.get(f"/api/v1/jobs/{job_id}/log", headers=bearer(alice))
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("text/plain; charset=utf-8", "nosniff")


@pytest.mark.parametrize("kind", ["finetune", "evaluate"])
def test_the_schemas_are_public(client: Client, kind: str) -> None:
    answer = client.get(f"/api/v1/jobs/schemas/{kind}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/schema+json")
    assert answer.json()["properties"]["kind"] == {"const": kind}


def test_there_is_no_other_schema_and_no_job_of_any_name(client: Client, alice: User, bearer: Headers) -> None:
    assert client.get("/api/v1/jobs/schemas/pretend").status_code == 404
    for name in ("x", "job_" + "0" * 26, "%00", "a" * 500):
        assert client.get(f"/api/v1/jobs/{name}", headers=bearer(alice)).status_code == 404


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_405(client: Client, alice: User, bearer: Headers, method: str) -> None:
    assert getattr(client, method)("/api/v1/jobs", headers=bearer(alice)).status_code == 405


# --- the worker's side ------------------------------------------------------------------------------------------
class WorkerClient:
    """Speaks the worker protocol over Django's test client."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.secret = {"Authorization": f"Bearer {django_settings.WORKER_SECRET}"}

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        sent = self.secret if headers is None else headers
        return self.client.post(f"/api/v1/worker/{path}", body, content_type="application/json", headers=sent)

    def register(self, **more: Any) -> Any:
        facts = {"memory_bytes": 16 * 10**9, "gpus": [], "kinds": ["finetune", "evaluate"]}
        return self.post("register", {"name": "w1", "queues": ["jobs-cpu"], "capabilities": facts} | more)

    def claim(self, job_id: str) -> Any:
        return self.post(f"jobs/{job_id}/claim", {"worker": "w1"})


def _attempt(claim: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {claim['job_token']}", "X-Fencing-Token": str(claim["fencing_token"])}


@pytest.fixture
def worker(client: Client, db: None) -> WorkerClient:
    """A registered worker."""
    speaking = WorkerClient(client)
    assert speaking.register().json() == {
        "worker": "w1", "protocol": 1, "lease_seconds": 90, "heartbeat_seconds": 15,
    }  # fmt: skip
    return speaking


def test_a_claim_hands_over_everything_an_attempt_needs(worker: WorkerClient, job_id: str) -> None:
    answer = worker.claim(job_id)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["attempt"], body["fencing_token"], body["directive"], body["checkpoint"]) == (1, 1, "continue", None)
    assert body["job_token"].startswith("wb_")
    assert body["lineage"]["base_model"] == "alice/encoder"
    assert body["license"]["must_review"] is True  # the model states no license, so nobody may assume one
    assert body["license"]["front_matter"] == {}
    assert len(body["output"]["parent_commit"]) == 40
    assert worker.claim(job_id).status_code == 409


def test_waiting_jobs_are_listed_for_workers_that_ask(worker: WorkerClient, client: Client, job_id: str) -> None:
    address = "/api/v1/worker/jobs?queue=jobs-cpu"
    assert client.get(address, headers=worker.secret).json() == {"jobs": [job_id]}
    assert client.get("/api/v1/worker/jobs?queue=jobs-gpu", headers=worker.secret).json() == {"jobs": []}
    assert client.get(address).status_code == 401


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic Zm9vOmJhcg==", "Bearer"])
def test_only_the_worker_secret_registers_and_claims(client: Client, job_id: str, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    speaking = WorkerClient(client)
    speaking.secret = headers
    assert speaking.register().status_code == 401
    assert speaking.claim(job_id).status_code == 401


def test_a_persons_token_is_no_worker_secret(client: Client, job_id: str, alice: User, bearer: Headers) -> None:
    speaking = WorkerClient(client)
    speaking.secret = bearer(alice)
    assert speaking.claim(job_id).status_code == 401


def test_an_attempt_speaks_under_its_own_tokens(worker: WorkerClient, client: Client, job_id: str) -> None:
    shown = _attempt(worker.claim(job_id).json())
    assert worker.post(f"jobs/{job_id}/state", {"state": "running"}, shown).json()["state"] == "running"
    beat = worker.post(f"jobs/{job_id}/heartbeat", {"progress": 0.5, "phase": ""}, shown)
    assert (beat.status_code, beat.json()["directive"]) == (200, "continue")
    lines = b'{"seq": 1, "t": 1, "type": "step", "loss": NaN}\n{"seq": 2, "t": 2, "type": "log", "line": "x"}\n'
    sent = client.post(
        f"/api/v1/worker/jobs/{job_id}/events", lines, content_type="application/x-ndjson", headers=shown
    )
    assert sent.json() == {"accepted": 2, "duplicates": 0, "last_seq": 2, "directive": "continue"}
    assert worker.post(f"jobs/{job_id}/resolved", {"values": {"train.lr": 0.1}}, shown).status_code == 200
    assert client.get(f"/api/v1/worker/jobs/{job_id}/checkpoints", headers=shown).json() == {"checkpoints": []}
    assert client.get(f"/api/v1/worker/jobs/{job_id}/checkpoints/latest", headers=shown).status_code == 404
    done = worker.post(f"jobs/{job_id}/finish", {"state": "failed", "failure_code": "internal"}, shown)
    assert done.json() == {"state": "failed", "requeued": False}
    again = worker.post(f"jobs/{job_id}/finish", {"state": "failed", "failure_code": "internal"}, shown)
    assert (again.status_code, again.json()) == (200, {"state": "failed", "requeued": False})
    assert worker.post(f"jobs/{job_id}/heartbeat", {}, shown).status_code == 412


def test_a_stale_attempt_gets_412_everywhere(worker: WorkerClient, client: Client, job_id: str) -> None:
    first = _attempt(worker.claim(job_id).json())
    gave_up = worker.post(f"jobs/{job_id}/finish", {"state": "failed", "failure_code": "worker_lost"}, first)
    assert gave_up.json() == {"state": "queued", "requeued": True}
    worker.claim(job_id)
    file = {"path": "a", "sha256": "0" * 64, "size": 1}
    answers = [
        worker.post(f"jobs/{job_id}/heartbeat", {}, first),
        worker.post(f"jobs/{job_id}/state", {"state": "running"}, first),
        worker.post(f"jobs/{job_id}/events", [], first),
        worker.post(f"jobs/{job_id}/resolved", {"values": {}}, first),
        worker.post(f"jobs/{job_id}/checkpoints/links", {"files": [file]}, first),
        worker.post(f"jobs/{job_id}/checkpoints", {"step": 1, "files": [file]}, first),
        client.get(f"/api/v1/worker/jobs/{job_id}/checkpoints", headers=first),
        worker.post(f"jobs/{job_id}/finish", {"state": "cancelled"}, first),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(412, "stale_attempt")] * 8
    # The rest of the hub does not know the token any more, so a late commit is refused there as well.
    assert client.get("/api/whoami-v2", headers={"Authorization": first["Authorization"]}).status_code == 401


def test_the_fencing_token_must_be_sent_and_be_a_number(worker: WorkerClient, job_id: str) -> None:
    shown = _attempt(worker.claim(job_id).json())
    for number in (None, "", "x", "-1", "1.0", "9" * 30, "\u0661"):
        headers = {"Authorization": shown["Authorization"]}
        if number is not None:
            headers["X-Fencing-Token"] = number
        assert worker.post(f"jobs/{job_id}/heartbeat", {}, headers).status_code == 400
    assert worker.post(f"jobs/{job_id}/heartbeat", {}, shown | {"X-Fencing-Token": "7"}).status_code == 412


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("heartbeat", {"progress": 2}),
        ("heartbeat", {"progress": "nan"}),
        ("heartbeat", {"pulse": 1}),
        ("heartbeat", []),
        ("state", {"state": "succeeded"}),
        ("state", {}),
        ("events", {"seq": 1}),
        ("events", [{"seq": 1, "t": 0, "type": "state"}]),
        ("resolved", {"values": []}),
        ("resolved", {"values": {"x": "y" * 70_000}}),
        ("checkpoints", {"step": -1, "files": []}),
        ("checkpoints", {"step": 1, "files": [{"path": "../a", "sha256": "0" * 64, "size": 1}]}),
        ("checkpoints/links", {"files": "all"}),
        ("finish", {"state": "done"}),
        ("finish", {"state": "failed"}),
        ("finish", {"state": "failed", "failure_code": "bad_luck"}),
        ("finish", {"state": "failed", "failure_code": "internal", "output_commit": "main"}),
    ],
)
def test_what_the_protocol_does_not_know_is_refused(worker: WorkerClient, job_id: str, path: str, body: Any) -> None:
    shown = _attempt(worker.claim(job_id).json())
    answer = worker.post(f"jobs/{job_id}/{path}", body, shown)
    assert 400 <= answer.status_code < 500, answer.content
    assert answer.status_code not in {401, 404}
    assert Job.objects.get().state == "starting"


def test_a_batch_of_events_beyond_the_limit_is_413(worker: WorkerClient, client: Client, job_id: str) -> None:
    shown = _attempt(worker.claim(job_id).json())
    line = b'{"seq": 1, "t": 1, "type": "log", "line": "' + b"x" * (17 * 1024 * 1024) + b'"}\n'
    answer = client.post(
        f"/api/v1/worker/jobs/{job_id}/events", line, content_type="application/x-ndjson", headers=shown
    )
    assert answer.status_code == 413


def test_what_is_known_of_the_inputs_license_reaches_the_claim(
    *, worker: WorkerClient, ask: Any, open_inputs: dict[str, Any], alice: User, bearer: Headers
) -> None:
    created = ask(bearer(alice), open_inputs).json()
    terms = worker.claim(created["id"]).json()["license"]
    assert terms["front_matter"] == {"license": "apache-2.0"}
    assert any("apache-2.0" in line for line in terms["obligations"])
    assert terms["must_review"] is False


def test_data_of_no_stated_license_asks_for_a_review(
    *, worker: WorkerClient, ask: Any, open_inputs: dict[str, Any], alice: User, bearer: Headers
) -> None:
    created = ask(bearer(alice), open_inputs | {"data": {"repo": "alice/reviews"}}).json()
    terms = worker.claim(created["id"]).json()["license"]
    assert (terms["front_matter"], terms["must_review"]) == ({"license": "apache-2.0"}, True)
