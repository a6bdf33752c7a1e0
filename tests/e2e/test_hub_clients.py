"""Unmodified `huggingface_hub`, the current 2.x and the newest 1.x, against a real server.

Each test is a script that a user could have written; it runs in a process of its own with fresh caches.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub

ROOT = Path(__file__).resolve().parents[2]
OLD_CLIENT = ROOT / ".venv-hub1" / "bin" / "python"

pytestmark = pytest.mark.e2e

PRELUDE = """
import os, io, json, hashlib, time
from pathlib import Path
import huggingface_hub
from huggingface_hub import (
    CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, HfFileSystem, hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    BadRequestError, EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError,
    RevisionNotFoundError,
)
api = HfApi()
NAME = os.environ["REPOSITORY"]

def raises(kind, call, *words):
    try:
        call()
    except kind as error:
        text = str(error)
        for word in words:
            if word.isdigit() and len(word) == 3:
                assert error.response.status_code == int(word), (word, text)
                continue
            assert word in text, (word, text)
        return error
    raise AssertionError(f"{kind.__name__} was not raised")
"""

Script = Callable[..., str]


def _old_client() -> str:
    """Returns the interpreter of an environment with the newest 1.x client, made on first use."""
    if not OLD_CLIENT.exists():
        for command in (
            [sys.executable, "-m", "venv", str(OLD_CLIENT.parents[1])],
            [str(OLD_CLIENT), "-m", "pip", "install", "--quiet", "huggingface-hub<2"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"huggingface-hub<2 cannot be installed here: {done.stderr[-300:]}")
    return str(OLD_CLIENT)


@pytest.fixture(params=["2.x", "1.x"])
def script(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path) -> Script:
    """Returns `script(code, user="alice")`: runs it with the client of this line and a repository name of its own."""
    python = sys.executable if request.param == "2.x" else _old_client()
    name = f"alice/{request.node.originalname.removeprefix('test_')[:60].strip('_')}-{request.param[0]}"

    def run(code: str, user: str | None = "alice", **extra: str) -> str:
        token = hub.token(user) if user else None
        environment = {"REPOSITORY": name, "BOB": hub.token("bob"), "CAROL": hub.token("carol"), **extra}
        return hub.python(PRELUDE + textwrap.dedent(code), home=tmp_path, token=token, python=python, **environment)

    return run


def test_a_repository_is_created_once_and_deleted(script: Script) -> None:
    script(
        """
        url = api.create_repo(NAME)
        assert url.repo_id == NAME and url.repo_type == "model", url
        assert str(url) == f"{os.environ['HF_ENDPOINT']}/{NAME}"
        assert api.create_repo(NAME.upper().replace("ALICE", "alice"), exist_ok=True).repo_id == NAME
        error = raises(HfHubHTTPError, lambda: api.create_repo(NAME), "409", "already created")
        assert [c.title for c in api.list_repo_commits(NAME)] == ["initial commit"]
        assert api.list_repo_files(NAME) == [".gitattributes"]
        for kind in ("dataset", "space"):
            extra = {"space_sdk": "static"} if kind == "space" else {}
            made = api.create_repo(NAME, repo_type=kind, **extra)
            assert made.repo_type == kind and made.repo_id == NAME
            assert api.repo_exists(NAME, repo_type=kind)
            api.delete_repo(NAME, repo_type=kind)
            assert not api.repo_exists(NAME, repo_type=kind)
        api.delete_repo(NAME)
        raises(RepositoryNotFoundError, lambda: api.delete_repo(NAME), "404")
        api.delete_repo(NAME, missing_ok=True)
        raises(RepositoryNotFoundError, lambda: api.model_info(NAME))
        """
    )


def test_what_others_may_not_do(script: Script) -> None:
    script(
        """
        api.create_repo(NAME)
        bob = HfApi(token=os.environ["BOB"])
        raises(HfHubHTTPError, lambda: bob.create_repo(NAME), "403")
        assert bob.create_repo(NAME, exist_ok=True).repo_id == NAME
        raises(HfHubHTTPError, lambda: bob.create_repo("acme/" + NAME.split("/")[1]), "403")
        raises(HfHubHTTPError, lambda: bob.delete_repo(NAME), "403")
        raises(HfHubHTTPError, lambda: bob.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=NAME), "403")
        nobody = HfApi(token=False)
        raises(HfHubHTTPError, lambda: nobody.create_repo("alice/other"), "401")
        upload = dict(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=NAME)
        raises(HfHubHTTPError, lambda: nobody.upload_file(**upload), "401")
        wrong = HfApi(token="wb_wrong")
        raises(HfHubHTTPError, lambda: wrong.model_info(NAME), "401", "Invalid credentials in Authorization header")
        assert api.list_repo_files(NAME) == [".gitattributes"]
        assert HfApi(token=os.environ["CAROL"]).create_repo("acme/" + NAME.split("/")[1]).repo_id.startswith("acme/")
        """
    )


def test_bad_names_are_refused(script: Script) -> None:
    script(
        """
        from huggingface_hub.utils import get_session
        def create(**body):
            return get_session().post(
                os.environ["HF_ENDPOINT"] + "/api/repos/create", json=body,
                headers={"Authorization": "Bearer " + os.environ["HF_TOKEN"]},
            )
        for name in ("a--b", "-a", "a.git", "a..b", "x" * 97, "a b", "ä", "", None, 5, ["a"]):
            answer = create(name=name)
            assert answer.status_code == 400, (name, answer.status_code, answer.text)
            assert "error" in answer.json() and answer.headers["X-Error-Message"]
        assert create(name="x", type="kernel").status_code == 400
        assert create(name="x", type="space").status_code == 400
        assert create(name="x", visibility="secret").status_code == 400
        assert create(name="x", organization="no-such-namespace-here").status_code in (403, 404)
        """
    )


def test_files_are_uploaded_and_come_back_identical(script: Script) -> None:
    script(
        """
        api.create_repo(NAME)
        text, binary, large = b"hello\\n", bytes(range(256)) * 10, os.urandom(3_000_000)
        first = api.upload_file(path_or_fileobj=text, path_in_repo="notes/héllo wörld %.txt", repo_id=NAME)
        assert first.oid == api.model_info(NAME).sha
        assert first.commit_url == f"{os.environ['HF_ENDPOINT']}/{NAME}/commit/{first.oid}"
        api.upload_file(path_or_fileobj=large, path_in_repo="model.safetensors", repo_id=NAME, commit_message="Weights")
        api.upload_file(path_or_fileobj=io.BytesIO(binary), path_in_repo="table.dat", repo_id=NAME)
        for path, data in (("notes/héllo wörld %.txt", text), ("model.safetensors", large), ("table.dat", binary)):
            local = Path(hf_hub_download(NAME, path))
            assert local.read_bytes() == data, path
            again = Path(hf_hub_download(NAME, path))
            assert again == local
            forced = Path(hf_hub_download(NAME, path, force_download=True))
            assert forced.read_bytes() == data
            assert Path(hf_hub_download(NAME, path, local_dir="out")).read_bytes() == data
        blob = Path(hf_hub_download(NAME, "model.safetensors")).resolve()
        assert blob.name == hashlib.sha256(large).hexdigest()
        # Unchanged content makes no commit.
        head = api.model_info(NAME).sha
        same = api.upload_file(path_or_fileobj=large, path_in_repo="model.safetensors", repo_id=NAME)
        assert same.oid == head == api.model_info(NAME).sha
        # An old revision stays what it was.
        assert Path(hf_hub_download(NAME, "notes/héllo wörld %.txt", revision=first.oid)).read_bytes() == text
        raises(EntryNotFoundError, lambda: hf_hub_download(NAME, "model.safetensors", revision=first.oid))
        """
    )


def test_an_interrupted_download_goes_on_where_it_stopped(script: Script) -> None:
    script(
        """
        api.create_repo(NAME)
        data = os.urandom(2_000_000)
        api.upload_file(path_or_fileobj=data, path_in_repo="weights.bin", repo_id=NAME)
        target = Path("out/.cache/huggingface/download")
        target.mkdir(parents=True)
        from huggingface_hub._local_folder import get_local_download_paths
        etag = hashlib.sha256(data).hexdigest()
        partial = get_local_download_paths(Path("out"), "weights.bin").incomplete_path(etag)
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data[:1_500_000])
        assert Path(hf_hub_download(NAME, "weights.bin", local_dir="out")).read_bytes() == data
        """
    )


def test_a_folder_goes_up_and_a_snapshot_comes_down(script: Script) -> None:
    script(
        """
        api.create_repo(NAME)
        root = Path("up")
        files = {f"d{n % 7}/f{n}.txt": f"text {n}".encode() for n in range(120)}
        files |= {f"w/{n}.bin": os.urandom(5000) for n in range(6)}
        files |= {"big.safetensors": os.urandom(30_000_000), "tiny.bin": b""}
        files |= {".gitignore": b"*.tmp\\n", "skip.tmp": b"x"}
        for path, data in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        api.upload_folder(folder_path=root, repo_id=NAME, commit_message="All")
        listed = set(api.list_repo_files(NAME))
        expected = set(files) - {"skip.tmp"} | {".gitattributes"}
        assert listed == expected, listed ^ expected
        down = Path(snapshot_download(NAME))
        for path in set(files) - {"skip.tmp"}:
            assert (down / path).read_bytes() == files[path], path
        some = Path(snapshot_download(NAME, allow_patterns=["d1/*"], local_dir="some"))
        assert {p.suffix for p in some.rglob("*.txt")} == {".txt"} and not (some / "big.safetensors").exists()
        # Again: nothing changes, so no commit.
        head = api.model_info(NAME).sha
        api.upload_folder(folder_path=root, repo_id=NAME)
        assert api.model_info(NAME).sha == head
        # delete_patterns
        only = dict(delete_patterns="*", allow_patterns="f1.txt")
        api.upload_folder(folder_path=root / "d1", path_in_repo="d1", repo_id=NAME, **only)
        assert [p for p in api.list_repo_files(NAME) if p.startswith("d1/")] == ["d1/f1.txt"]
        """
    )


def test_commits_add_delete_and_copy(script: Script) -> None:
    script(
        """
        api.create_repo(NAME)
        data = os.urandom(50_000)
        api.create_commit(NAME, commit_message="Start\\n\\nwith a body", operations=[
            CommitOperationAdd("a/one.txt", b"1"), CommitOperationAdd("a/two.txt", b"2"),
            CommitOperationAdd("b/three.txt", b"3"), CommitOperationAdd("w.bin", data),
        ])
        head = api.model_info(NAME).sha
        result = api.create_commit(NAME, commit_message="Change", parent_commit=head, operations=[
            CommitOperationDelete("a/one.txt"), CommitOperationDelete("b/"),
            CommitOperationCopy("w.bin", "copies/w.bin"), CommitOperationCopy("a/two.txt", "copies/two.txt"),
        ])
        expected = {".gitattributes", "a/two.txt", "w.bin", "copies/w.bin", "copies/two.txt"}
        assert set(api.list_repo_files(NAME)) == expected
        assert Path(hf_hub_download(NAME, "copies/w.bin")).read_bytes() == data
        error = raises(HfHubHTTPError, lambda: api.create_commit(NAME, commit_message="Late", parent_commit=head,
            operations=[CommitOperationAdd("late.txt", b"x")]), "412",
            "The branch was updated since you opened this page")
        assert error.response.status_code == 412
        raises(EntryNotFoundError, lambda: api.delete_file("nothing.txt", NAME), "A file with this name doesn't exist")
        nowhere = dict(path_or_fileobj=b"x", path_in_repo="x", repo_id=NAME, revision="nope")
        raises(RevisionNotFoundError, lambda: api.upload_file(**nowhere))
        assert api.model_info(NAME).sha == result.oid
        commits = api.list_repo_commits(NAME)
        assert [c.title for c in commits] == ["Change", "Start", "initial commit"]
        assert commits[1].message == "with a body" and commits[0].authors == ["alice"]
        raises(HfHubHTTPError, lambda: api.create_commit(NAME, commit_message="PR", create_pr=True,
            operations=[CommitOperationAdd("x.txt", b"x")]), "ull requests are not offered")
        """
    )


def test_the_contents_are_listed(script: Script) -> None:
    script(
        """
        api.create_repo(NAME)
        big = os.urandom(40_000)
        api.create_commit(NAME, commit_message="Add", operations=[
            CommitOperationAdd("README.md", b"# Hello"), CommitOperationAdd("data/w.bin", big),
            CommitOperationAdd("data/deep/a.txt", b"abc"),
        ])
        reworded = CommitOperationAdd("README.md", b"# Hello again")
        api.create_commit(NAME, commit_message="Reword", operations=[reworded])
        flat = {item.path: item for item in api.list_repo_tree(NAME, expand=True)}
        assert set(flat) == {".gitattributes", "README.md", "data"}, set(flat)
        assert flat["README.md"].last_commit["title"] == "Reword", flat["README.md"].last_commit
        assert flat["data"].last_commit["title"] == "Add"
        deep = {item.path: item for item in api.list_repo_tree(NAME, recursive=True)}
        assert set(deep) == {".gitattributes", "README.md", "data", "data/w.bin", "data/deep", "data/deep/a.txt"}
        assert deep["data/w.bin"].size == len(big) and deep["data/w.bin"].lfs.sha256 == hashlib.sha256(big).hexdigest()
        assert deep["data/deep/a.txt"].size == 3
        assert [item.path for item in api.list_repo_tree(NAME, "data/deep")] == ["data/deep/a.txt"]
        raises(EntryNotFoundError, lambda: list(api.list_repo_tree(NAME, "nothing")))
        raises(RevisionNotFoundError, lambda: list(api.list_repo_tree(NAME, revision="nope")))
        found = api.get_paths_info(NAME, ["data", "README.md", "nothing", "data/w.bin"], expand=True)
        assert {item.path for item in found} == {"data", "README.md", "data/w.bin"}
        assert api.file_exists(NAME, "README.md") and not api.file_exists(NAME, "nope.md")
        assert api.revision_exists(NAME, "main") and not api.revision_exists(NAME, "nope")
        info = api.model_info(NAME, files_metadata=True)
        assert {s.rfilename: s.size for s in info.siblings}["data/w.bin"] == len(big)
        assert api.model_info(NAME, expand=["sha", "siblings"]).sha == info.sha
        raises(HfHubHTTPError, lambda: api.model_info(NAME, expand=["nonsense"]), "400")
        raises(RevisionNotFoundError, lambda: api.model_info(NAME, revision="nope"))
        """
    )


def test_many_files_are_listed_over_several_pages(script: Script) -> None:
    script(
        """
        api.create_repo(NAME)
        operations = [CommitOperationAdd(f"f/{n:04}.txt", str(n).encode()) for n in range(1200)]
        api.create_commit(NAME, commit_message="Many", operations=operations)
        assert len(list(api.list_repo_tree(NAME, "f"))) == 1200
        assert len(list(api.list_repo_tree(NAME, recursive=True, expand=True))) == 1202
        assert len(api.list_repo_files(NAME)) == 1201
        """
    )


def test_branches_and_tags(script: Script) -> None:
    script(
        """
        api.create_repo(NAME)
        first = api.model_info(NAME).sha
        api.create_branch(NAME, branch="feat/x")
        raises(HfHubHTTPError, lambda: api.create_branch(NAME, branch="feat/x"), "409", "already exists")
        api.create_branch(NAME, branch="feat/x", exist_ok=True)
        commit = api.upload_file(path_or_fileobj=b"x", path_in_repo="only here.txt", repo_id=NAME, revision="feat/x")
        assert Path(hf_hub_download(NAME, "only here.txt", revision="feat/x")).read_bytes() == b"x"
        raises(EntryNotFoundError, lambda: hf_hub_download(NAME, "only here.txt"))
        assert [f.path for f in api.list_repo_tree(NAME, revision="feat/x")] == [".gitattributes", "only here.txt"]
        api.create_tag(NAME, tag="v1", revision="feat/x", tag_message="First")
        api.create_tag(NAME, tag="v1", exist_ok=True)
        api.create_tag(NAME, tag="old", revision=first[:8])
        raises(HfHubHTTPError, lambda: api.create_tag(NAME, tag="v1"), "409")
        raises(RevisionNotFoundError, lambda: api.create_tag(NAME, tag="v2", revision="nope"))
        raises(HfHubHTTPError, lambda: api.create_tag(NAME, tag="bad name"), "400")
        refs = api.list_repo_refs(NAME, include_pull_requests=True)
        assert {b.name: b.target_commit for b in refs.branches} == {"main": first, "feat/x": commit.oid}
        assert {t.name: t.target_commit for t in refs.tags} == {"v1": commit.oid, "old": first}
        assert refs.pull_requests == [] and refs.converts == []
        assert api.model_info(NAME, revision="v1").sha == commit.oid
        api.delete_tag(NAME, tag="v1")
        raises(RevisionNotFoundError, lambda: api.delete_tag(NAME, tag="v1"))
        raises(HfHubHTTPError, lambda: api.delete_branch(NAME, branch="main"), "403", "Cannot delete refs/heads/main")
        api.delete_branch(NAME, branch="feat/x")
        raises(RevisionNotFoundError, lambda: api.delete_branch(NAME, branch="feat/x"), "404")
        """
    )


def test_a_private_repository_does_not_exist_for_others(script: Script) -> None:
    script(
        """
        api.create_repo(NAME, private=True)
        api.upload_file(path_or_fileobj=b"secret", path_in_repo="s.txt", repo_id=NAME)
        assert api.model_info(NAME).private is True
        assert Path(hf_hub_download(NAME, "s.txt")).read_bytes() == b"secret"
        assert NAME in {m.id for m in api.list_models(author="alice")}
        for token in (os.environ["BOB"], False):
            other = HfApi(token=token)
            for call in (
                lambda: other.model_info(NAME),
                lambda: other.list_repo_refs(NAME),
                lambda: other.hf_hub_download(NAME, "s.txt", cache_dir="elsewhere"),
                lambda: other.snapshot_download(NAME, cache_dir="elsewhere"),
                lambda: other.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=NAME),
                lambda: other.get_paths_info(NAME, ["s.txt"]),
            ):
                raises(RepositoryNotFoundError, call)
            assert NAME not in {m.id for m in other.list_models(author="alice")}
            assert not other.repo_exists(NAME)
        missing = raises(RepositoryNotFoundError, lambda: HfApi(token=os.environ["BOB"]).model_info("alice/never-was"))
        hidden = raises(RepositoryNotFoundError, lambda: HfApi(token=os.environ["BOB"]).model_info(NAME))
        assert missing.response.json()["error"].replace("alice/never-was", NAME) == hidden.response.json()["error"]
        api.update_repo_settings(NAME, private=False)
        assert HfApi(token=False).model_info(NAME).private is False
        """
    )


def test_a_gated_repository_says_so_and_opens_by_the_owner(script: Script) -> None:
    script(
        """
        api.create_repo(NAME)
        api.upload_file(path_or_fileobj=b"weights", path_in_repo="w.txt", repo_id=NAME)
        api.update_repo_settings(NAME, gated="manual")
        bob = HfApi(token=os.environ["BOB"])
        info = bob.model_info(NAME)
        assert info.gated == "manual" and [s.rfilename for s in info.siblings] == [".gitattributes", "w.txt"]
        words = ("Access to model " + NAME + " is restricted and you are not in the authorized list",)
        error = raises(GatedRepoError, lambda: bob.hf_hub_download(NAME, "w.txt", cache_dir="bob"), "403", *words)
        assert error.response.headers["X-Decision-Code"] == "REQUEST_REQUIRED", dict(error.response.headers)
        assert error.response.headers["X-Decision-Id"].startswith("dec_")
        raises(GatedRepoError, lambda: HfApi(token=False).hf_hub_download(NAME, "w.txt", cache_dir="nobody"), "401")
        raises(GatedRepoError, lambda: bob.auth_check(NAME))
        api.auth_check(NAME)
        from huggingface_hub.utils import get_session
        ask = get_session().post(f"{os.environ['HF_ENDPOINT']}/{NAME}/ask-access",
            headers={"Authorization": "Bearer " + os.environ["BOB"]})
        assert ask.status_code == 200, ask.text
        waiting = list(api.list_pending_access_requests(NAME))
        assert [r.username for r in waiting] == ["bob"], waiting
        raises(GatedRepoError, lambda: bob.hf_hub_download(NAME, "w.txt", cache_dir="bob"))
        api.accept_access_request(NAME, "bob")
        assert [r.username for r in api.list_accepted_access_requests(NAME)] == ["bob"]
        assert Path(bob.hf_hub_download(NAME, "w.txt", cache_dir="bob")).read_bytes() == b"weights"
        bob.auth_check(NAME)
        raises(HfHubHTTPError, lambda: bob.auth_check(NAME, write=True), "403")
        raises(HfHubHTTPError, lambda: list(bob.list_pending_access_requests(NAME)), "403")
        api.cancel_access_request(NAME, "bob")
        raises(GatedRepoError, lambda: bob.hf_hub_download(NAME, "w.txt", cache_dir="again"))
        api.reject_access_request(NAME, "bob", rejection_reason="no")
        assert [r.username for r in api.list_rejected_access_requests(NAME)] == ["bob"]
        api.grant_access(NAME, "carol")
        assert HfApi(token=os.environ["CAROL"]).hf_hub_download(NAME, "w.txt", cache_dir="carol")
        raises(HfHubHTTPError, lambda: api.grant_access(NAME, "nobody-of-this-name"), "404")
        api.update_repo_settings(NAME, gated=False)
        assert bob.hf_hub_download(NAME, "w.txt", cache_dir="bob", force_download=True)
        """
    )


def test_models_are_found_by_their_card(script: Script) -> None:
    script(
        """
        from huggingface_hub import ModelCard
        if huggingface_hub.__version__.startswith("2."):
            raises(RepositoryNotFoundError, lambda: ModelCard("# x").push_to_hub(NAME))
        card = '''---
        license: apache-2.0
        language: [en, de]
        pipeline_tag: text-classification
        library_name: transformers
        tags: [tiny-proof]
        datasets: [acme/words]
        ---
        # Tiny
        '''
        api.create_repo(NAME)
        # `ModelCard.push_to_hub` of 1.x first validates at a fixed public address, whatever the endpoint.
        api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=NAME)
        info = api.model_info(NAME)
        assert info.card_data.license == "apache-2.0" and info.pipeline_tag == "text-classification", info
        assert {"license:apache-2.0", "tiny-proof", "en"} <= set(info.tags), info.tags
        def ids(**query):
            return {m.id for m in api.list_models(author="alice", **query)}
        assert NAME in ids(search=NAME.split("/")[1][:12].upper())
        assert NAME in ids(filter=["license:apache-2.0", "text-classification"])
        assert NAME in ids(pipeline_tag="text-classification")
        assert NAME not in ids(filter=["license:mit"])
        assert NAME not in ids(search="certainly-nothing-like-this")
        for sort in ("downloads", "likes", "last_modified", "created_at", "trending_score"):
            assert NAME in ids(sort=sort), sort
        full = {m.id: m for m in api.list_models(author="alice", full=True, cardData=True)}[NAME]
        assert full.card_data.license == "apache-2.0" and full.sha == info.sha
        assert "README.md" in {s.rfilename for s in full.siblings}
        expanded = next(m for m in api.list_models(author="alice", expand=["gated", "sha"]) if m.id == NAME)
        assert expanded.sha == info.sha and expanded.gated is False and expanded.tags is None
        assert len(list(api.list_models(limit=2))) <= 2
        broken = b"---\\nlicense: [\\n---\\n"
        raises(ValueError, lambda: api.upload_file(path_or_fileobj=broken, path_in_repo="README.md", repo_id=NAME),
            "Invalid metadata in README.md")
        assert "license" in api.get_model_tags()
        """
    )


def test_who_am_i(script: Script) -> None:
    script(
        """
        me = HfApi(token=os.environ["CAROL"]).whoami()
        assert me["name"] == "carol" and me["type"] == "user"
        assert [o["name"] for o in me["orgs"]] == ["acme"] and me["auth"]["accessToken"]["role"] == "write"
        raises(HfHubHTTPError, lambda: HfApi(token="wb_wrong").whoami(), "nvalid")
        huggingface_hub.login(token=os.environ["BOB"])
        """
    )


def test_the_file_system_reads_ranges_and_writes(script: Script) -> None:
    script(
        """
        api.create_repo(NAME, repo_type="dataset")
        fs = HfFileSystem()
        base = f"datasets/{NAME}"
        data = os.urandom(700_000)
        with fs.open(f"{base}/data/a.bin", "wb") as file:
            file.write(data)
        fs.invalidate_cache()
        assert fs.exists(f"{base}/data/a.bin") and fs.isdir(f"{base}/data")
        assert fs.info(f"{base}/data/a.bin")["size"] == len(data)
        with fs.open(f"{base}/data/a.bin", "rb", block_size=100_000) as file:
            file.seek(650_000)
            assert file.read() == data[650_000:]
            file.seek(5)
            assert file.read(10) == data[5:15]
        assert [name.rpartition("/")[2] for name in fs.glob(f"{base}/**/*.bin")] == ["a.bin"]
        fs.cp_file(f"{base}/data/a.bin", f"{base}/data/b.bin")
        fs.invalidate_cache()
        assert fs.read_bytes(f"{base}/data/b.bin") == data
        with fs.open(f"{base}/small.txt", "w") as file:
            file.write("small")
        fs.invalidate_cache()
        assert fs.read_text(f"{base}/small.txt") == "small"
        assert fs.cat_file(f"{base}/small.txt", start=1, end=3) == b"ma"
        fs.rm(f"{base}/small.txt")
        fs.invalidate_cache()
        assert not fs.exists(f"{base}/small.txt")
        """
    )


def test_safetensors_metadata_is_read_by_ranges(script: Script) -> None:
    script(
        """
        import struct
        header = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
        data = struct.pack("<Q", len(header)) + header + b"\\0" * 24
        api.create_repo(NAME)
        api.upload_file(path_or_fileobj=data, path_in_repo="model.safetensors", repo_id=NAME)
        found = api.get_safetensors_metadata(NAME)
        assert found.parameter_count == {"F32": 6}, found
        assert api.model_info(NAME).safetensors.total == 6
        """
    )
