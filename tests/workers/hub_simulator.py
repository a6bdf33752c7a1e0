"""A hub in memory that speaks the worker protocol and just enough of the hub API, over real HTTP, and can lie.

Knobs a test may turn at any time: `directive` (what every answer tells the worker), `stale` (another attempt has taken
over), `away` (503 to everything), `publish_conflict`, `refuse_downloads`. What arrived is kept for inspection.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

WORKER_SECRET = "worker-secret-of-the-simulator"
JOB_TOKEN = "wb_job-token-of-the-simulator"
COMMIT = "c" * 40
PARENT = "d" * 40


class RefusalError(Exception):
    """An answer with an error status and a problem body."""

    def __init__(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.headers = status, code, headers or {}


@dataclass
class HubSimulator:
    """State of the simulated hub. Repositories are `{("model"|"dataset", id): {path: bytes}}` at one commit."""

    repositories: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    directive: str = "continue"
    stale: bool = False
    away: bool = False
    registered: bool = True
    publish_conflict: bool = False
    refuse_downloads: bool = False
    on_event: Callable[[dict[str, Any]], None] | None = None
    events: dict[int, dict[str, Any]] = field(default_factory=dict)
    duplicates: int = 0
    states: list[str] = field(default_factory=list)
    resolved: dict[str, Any] = field(default_factory=dict)
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    registrations: list[dict[str, Any]] = field(default_factory=list)
    finished: list[dict[str, Any]] = field(default_factory=list)
    commits: list[dict[str, bytes | None]] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    checkpoints: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    refusals: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    url: str = ""

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add_job(self, job_id: str, spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Makes a job claimable; returns the claim as it will be handed out."""
        output = spec.get("output")
        self.claims[job_id] = {
            "job": {"id": job_id, "kind": spec["kind"], "task": spec["task"], "requested_by": "alice"},
            "spec": spec,
            "resolved": {},
            "attempt": 1,
            "max_attempts": 2,
            "fencing_token": 7,
            "job_token": JOB_TOKEN,
            "hub_url": self.url,
            "lease_seconds": 90,
            "heartbeat_seconds": 0.2,
            "wall_seconds_left": 600,
            "directive": "continue",
            "checkpoint": None,
            "lineage": {
                "base_model": spec.get("base", {}).get("repo"),
                "base_model_relation": "finetune",
                "base_commit": COMMIT,
                "datasets": [spec["data"]["repo"]],
                "dataset_commits": {spec["data"]["repo"]: COMMIT},
            },
            "license": {
                "front_matter": {"license": "apache-2.0"},
                "notices": ["Copyright the authors of the base."],
                "obligations": ["keep the license text"],
                "must_review": False,
                "sentence": "It carries the license of its base.",
            },
            "output": {"repo": output["repo"], "repo_type": "model", "branch": "main", "parent_commit": PARENT}
            if output
            else None,
            "decision_ids": ["dec_1"],
            "spec_digest": hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest(),
            **changes,
        }
        return self.claims[job_id]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Returns the events of a kind, in order."""
        return [event for _, event in sorted(self.events.items()) if event["type"] == kind]

    # --- the worker protocol -----------------------------------------------------------------------------------

    def answer(self, method: str, path: str, body: bytes, headers: Any) -> Any:
        """Returns the answer to a request: JSON, or bytes."""
        if self.away:
            raise RefusalError(503, "unavailable")
        if path.startswith("/api/v1/worker/"):
            return self._worker_route(method, path.removeprefix("/api/v1/worker"), body, headers)
        if path.startswith("/object/"):
            return self._object(method, path.removeprefix("/object/"), body)
        return self._hub_route(path, body, headers)

    def _worker_route(self, method: str, path: str, body: bytes, headers: Any) -> dict[str, Any]:
        if path in {"/register", "/jobs"} or path.endswith("/claim"):
            if headers["Authorization"] != f"Bearer {WORKER_SECRET}":
                raise RefusalError(401, "authentication_required")
            return self._worker_secret_route(path, json.loads(body or b"null"))
        if headers["Authorization"] != f"Bearer {JOB_TOKEN}":
            raise RefusalError(401, "authentication_required")
        match = re.fullmatch(r"/jobs/([^/]+)/(.+)", path)
        assert match, path
        claim = self.claims.get(match[1])
        if claim is None:
            raise RefusalError(404, "job_not_found")
        if self.stale or headers["X-Fencing-Token"] != str(claim["fencing_token"]):
            raise RefusalError(412, "stale_attempt")
        return getattr(self, f"_{match[2].replace('/', '_')}")(method, body)

    def _worker_secret_route(self, path: str, body: Any) -> dict[str, Any]:
        if path == "/register":
            self.registrations.append(body)
            self.registered = True
            return {"worker": body["name"], "protocol": 1, "lease_seconds": 90, "heartbeat_seconds": 15}
        if path == "/jobs":
            return {"jobs": sorted(self.claims)}
        if not self.registered:
            raise RefusalError(422, "invalid")
        claim = self.claims.get(path.split("/")[2])
        if claim is None:
            raise RefusalError(409, "job_not_claimable")
        return claim

    def _heartbeat(self, _: str, body: bytes) -> dict[str, Any]:
        self.heartbeats.append(json.loads(body))
        return {"directive": self.directive, "state": "running"}

    def _state(self, _: str, body: bytes) -> dict[str, Any]:
        self.states.append(json.loads(body)["state"])
        return {"state": self.states[-1], "directive": self.directive}

    def _events(self, _: str, body: bytes) -> dict[str, Any]:
        with self.lock:
            for line in body.splitlines():
                event = json.loads(line)
                self.duplicates += event["seq"] in self.events
                self.events.setdefault(event["seq"], event)
                if self.on_event:
                    self.on_event(event)
        return {"accepted": 1, "duplicates": 0, "last_seq": max(self.events), "directive": self.directive}

    def _resolved(self, _: str, body: bytes) -> dict[str, Any]:
        self.resolved.update(json.loads(body)["values"])
        return {"resolved": self.resolved, "directive": self.directive}

    def _checkpoints_links(self, _: str, body: bytes) -> dict[str, Any]:
        def link(file: dict[str, Any]) -> dict[str, Any]:
            known = file["sha256"] in self.objects
            upload = {"method": "PUT", "url": f"{self.url}/object/{file['sha256']}", "headers": {}}
            return {"path": file["path"], "sha256": file["sha256"], "upload": None if known else upload}

        return {"files": [link(file) for file in json.loads(body)["files"]]}

    def _checkpoints(self, method: str, body: bytes) -> dict[str, Any]:
        if method == "POST":
            content = json.loads(body)
            assert all(file["sha256"] in self.objects for file in content["files"])
            self.checkpoints[content["step"]] = content["files"]
            return {"step": content["step"], "kept": sorted(self.checkpoints), "directive": self.directive}
        return {
            "checkpoints": [
                {"step": step, "attempt": 1, "files": [{**f, "url": f"{self.url}/object/{f['sha256']}"} for f in files]}
                for step, files in sorted(self.checkpoints.items(), reverse=True)[:2]
            ]
        }

    def _finish(self, _: str, body: bytes) -> dict[str, Any]:
        self.finished.append(json.loads(body))
        return {"state": self.finished[-1]["state"], "requeued": False}

    def _object(self, method: str, sha256: str, body: bytes) -> Any:
        if method == "PUT":
            assert hashlib.sha256(body).hexdigest() == sha256
            self.objects[sha256] = body
            return {}
        return self.objects[sha256]

    # --- the hub API, as far as a job uses it --------------------------------------------------------------------

    def _hub_route(self, path: str, body: bytes, headers: Any) -> Any:
        if headers["Authorization"] != f"Bearer {JOB_TOKEN}":
            raise RefusalError(401, "authentication_required")
        if self.refuse_downloads:
            headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": "Accept the terms first."}
            raise RefusalError(403, "gated", headers)
        for pattern, answer in self._routes():
            if match := re.fullmatch(pattern, path):
                return answer(match, body)
        raise RefusalError(404, "not_found")

    def _routes(self) -> list[tuple[str, Callable[[re.Match[str], bytes], Any]]]:
        kind, repo = r"/api/(models|datasets)", r"([^/]+/[^/]+)"
        by_hand = {"id": "e" * 40, "title": "Another", "message": "by hand", "authors": [], "date": _DATE}
        return [
            (rf"{kind}/{repo}/revision/.+", lambda m, _: self._info(m[1], m[2])),
            (rf"{kind}/{repo}/tree/[^/]+", lambda m, _: self._tree(m[1], m[2])),
            ("/api/validate-yaml", lambda _m, _b: {"errors": [], "warnings": []}),
            (rf"/api/models/{repo}/preupload/.+", lambda _, body: self._preupload(json.loads(body))),
            (r".+\.git/info/lfs/objects/batch", lambda _, body: self._lfs_batch(json.loads(body))),
            (rf"/api/models/{repo}/commit/.+", lambda _, body: self._commit(body)),
            (rf"/api/models/{repo}/commits/.+", lambda _m, _b: [by_hand]),
            (rf"/(datasets/)?{repo}/resolve/[^/]+/(.+)", lambda m, _: self._resolve(m[1], m[2], m[3])),
        ]

    def _files(self, kind: str, repo: str) -> dict[str, bytes]:
        files = self.repositories.get((kind.rstrip("s"), repo))
        if files is None:
            raise RefusalError(404, "not_found", {"X-Error-Code": "RepoNotFound"})
        return files

    def _info(self, kind: str, repo: str) -> dict[str, Any]:
        siblings = [{"rfilename": path} for path in sorted(self._files(kind, repo))]
        return {"id": repo, "sha": COMMIT, "siblings": siblings, "private": False, "tags": [], "downloads": 0}

    def _tree(self, kind: str, repo: str) -> list[dict[str, Any]]:
        files = self._files(kind, repo)
        return [{"type": "file", "path": p, "oid": _etag(b), "size": len(b)} for p, b in sorted(files.items())]

    def _preupload(self, body: dict[str, Any]) -> dict[str, Any]:
        def mode(file: dict[str, Any]) -> str:
            return "lfs" if file["size"] > _LARGE else "regular"

        return {"files": [{"path": f["path"], "uploadMode": mode(f), "shouldIgnore": False} for f in body["files"]]}

    def _lfs_batch(self, body: dict[str, Any]) -> dict[str, Any]:
        def link(file: dict[str, Any]) -> dict[str, Any]:
            return {**file, "actions": {"upload": {"href": f"{self.url}/object/{file['oid']}"}}}

        return {"transfer": "basic", "objects": [link(file) for file in body["objects"]]}

    def _commit(self, body: bytes) -> dict[str, Any]:
        if self.publish_conflict:
            raise RefusalError(412, "stale_parent")
        lines = [json.loads(line) for line in body.splitlines()]
        assert lines[0]["value"]["parentCommit"] == PARENT
        content: dict[str, bytes | None] = {}
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                content[value["path"]] = base64.b64decode(value["content"])
            else:
                content[value["path"]] = self.objects[value["oid"]] if line["key"] == "lfsFile" else None
        self.commits.append(content)
        return {"commitOid": "f" * 40, "commitUrl": f"{self.url}/a/b/commit/{'f' * 40}", "success": True}

    def _resolve(self, prefix: str | None, repo: str, path: str) -> bytes:
        files = self._files("dataset" if prefix else "model", repo)
        if path not in files:
            raise RefusalError(404, "not_found", {"X-Error-Code": "EntryNotFound"})
        return files[path]


_LARGE = 64 * 1024
_DATE = "2026-01-01T00:00:00.000Z"


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()  # noqa: S324 (an etag, as git has it)


class _Handler(BaseHTTPRequestHandler):
    hub: HubSimulator
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            answer = self.hub.answer(self.command, unquote(urlsplit(self.path).path), body, self.headers)
        except RefusalError as refusal:
            self.hub.refusals += 1
            problem = json.dumps({"code": refusal.code, "detail": refusal.code}).encode()
            self._reply(refusal.status, problem, {"Content-Type": "application/problem+json", **refusal.headers})
            return
        if isinstance(answer, bytes):
            self._reply(200, answer, {"ETag": f'"{_etag(answer)}"', "X-Repo-Commit": COMMIT})
        else:
            self._reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 (names the base class looks for)

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""
