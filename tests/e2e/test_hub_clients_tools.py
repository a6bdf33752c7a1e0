"""What people run beside Python code of their own: the `hf` command line, transformers, datasets, curl, git-lfs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub

pytestmark = pytest.mark.e2e

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(hub: Hub, tmp_path: Path) -> Command:
    """Returns `command("hf", "download", …, user="alice")`: runs a program with the hub as endpoint."""

    def run(
        *arguments: str, user: str | None = "alice", code: int | None = 0, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        environment = hub.client_environment(tmp_path, hub.token(user) if user else None, **extra)
        done = subprocess.run(
            arguments, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200
        )
        assert code is None or done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}\n{hub.log_tail()}"
        return done

    return run


def test_the_hf_command_uploads_downloads_and_knows_who_asks(command: Command, tmp_path: Path) -> None:
    assert "alice" in command("hf", "auth", "whoami").stdout
    command("hf", "repos", "create", "alice/by-hf")
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a.txt").write_text("text")
    (source / "sub" / "w.bin").write_bytes(os.urandom(100_000))
    command("hf", "upload", "alice/by-hf", str(source), ".", "--commit-message", "By hf")
    command("hf", "upload", "alice/by-hf", str(source / "a.txt"), "b.txt", "--revision", "side")
    command("hf", "download", "alice/by-hf", "--local-dir", str(tmp_path / "down"))
    assert (tmp_path / "down" / "sub" / "w.bin").read_bytes() == (source / "sub" / "w.bin").read_bytes()
    command("hf", "download", "alice/by-hf", "b.txt", "--revision", "side", "--local-dir", str(tmp_path / "side"))
    assert (tmp_path / "side" / "b.txt").read_text() == "text"
    assert "alice/by-hf" in command("hf", "models", "ls", "--author", "alice", "--no-truncate").stdout
    command("hf", "repos", "delete", "alice/by-hf", "--yes")
    assert command("hf", "download", "alice/by-hf", code=None).returncode != 0


def test_a_model_of_transformers_goes_up_and_comes_back(hub: Hub, tmp_path: Path) -> None:
    printed = hub.python(
        """
        import torch
        from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast
        torch.manual_seed(0)
        sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
        model = BertModel(BertConfig(vocab_size=20, **sizes)).eval()
        open("vocab.txt", "w").write("\\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmno"]))
        tokenizer = BertTokenizerFast(vocab="vocab.txt")
        model.push_to_hub("alice/tiny-bert", commit_message="Weights")
        tokenizer.push_to_hub("alice/tiny-bert", commit_message="Tokenizer")
        again = AutoModel.from_pretrained("alice/tiny-bert").eval()
        words = AutoTokenizer.from_pretrained("alice/tiny-bert")
        batch = words("a b c", return_tensors="pt")
        with torch.no_grad():
            assert torch.equal(model(**batch).last_hidden_state, again(**batch).last_hidden_state)
        first = AutoModel.from_pretrained("alice/tiny-bert", revision="main", force_download=True)
        print("same")
        """,
        home=tmp_path,
        token=hub.token("alice"),
    )
    assert "same" in printed
    info = json.loads(
        hub.python(
            """
            from huggingface_hub import HfApi
            import json
            info = HfApi().model_info("alice/tiny-bert")
            print(json.dumps([info.config, info.safetensors.total, info.library_name, info.tags, info.downloads]))
            """,
            home=tmp_path,
            token=hub.token("alice"),
        )
    )
    assert info[0]["model_type"] == "bert"
    assert info[1] > 1000
    assert info[2] == "transformers"


def test_a_dataset_is_pushed_and_loaded(hub: Hub, tmp_path: Path) -> None:
    hub.python(
        """
        import datasets, csv
        from huggingface_hub import HfApi
        columns = {"text": [f"row {n}" for n in range(50)], "label": [n % 2 for n in range(50)]}
        made = datasets.Dataset.from_dict(columns)
        made.push_to_hub("alice/rows")
        loaded = datasets.load_dataset("alice/rows")
        assert loaded["train"]["text"][7] == "row 7" and len(loaded["train"]) == 50
        streamed = datasets.load_dataset("alice/rows", streaming=True, split="train")
        assert next(iter(streamed))["text"] == "row 0"
        api = HfApi()
        api.create_repo("alice/table", repo_type="dataset", private=True)
        table = b"text,label\\na,0\\nb,1\\n"
        api.upload_file(path_or_fileobj=table, path_in_repo="train.csv", repo_id="alice/table", repo_type="dataset")
        assert datasets.load_dataset("alice/table", split="train")["label"] == [0, 1]
        """,
        home=tmp_path,
        token=hub.token("alice"),
    )


@pytest.fixture
def weights(hub: Hub, tmp_path: Path) -> tuple[str, bytes]:
    """A public model with a large file and a small one; returns its name and the large file's bytes."""
    data = os.urandom(3_000_000)
    (tmp_path / "w.bin").write_bytes(data)
    name = f"alice/curl-{hashlib.sha256(data).hexdigest()[:8]}"
    hub.python(
        f"""
        from huggingface_hub import HfApi
        api = HfApi()
        api.create_repo("{name}")
        api.upload_file(path_or_fileobj="w.bin", path_in_repo="dir/w.bin", repo_id="{name}")
        api.upload_file(path_or_fileobj=b"0123456789", path_in_repo="small.txt", repo_id="{name}")
        """,
        home=tmp_path,
        token=hub.token("alice"),
    )
    return name, data


def test_curl_reads_ranges_and_resumes(command: Command, hub: Hub, weights: tuple[str, bytes], tmp_path: Path) -> None:
    name, data = weights
    url = f"{hub.url}/{name}/resolve/main/dir/w.bin"
    command("curl", "-sSfL", url, "-o", "whole.bin", user=None)
    assert (tmp_path / "whole.bin").read_bytes() == data
    (tmp_path / "part.bin").write_bytes(data[:1_000_000])
    command("curl", "-sSfL", "-C", "-", url, "-o", "part.bin", user=None)
    assert (tmp_path / "part.bin").read_bytes() == data
    command("curl", "-sSfL", "-r", "100-199", url, "-o", "range.bin", user=None)
    assert (tmp_path / "range.bin").read_bytes() == data[100:200]
    command("curl", "-sSfL", "-r", "2-4", f"{hub.url}/{name}/resolve/main/small.txt", "-o", "small", user=None)
    assert (tmp_path / "small").read_text() == "234"
    command("curl", "-sSfLOJ", "--output-dir", "named", "--create-dirs", f"{url}?download=true", user=None)
    assert (tmp_path / "named" / "w.bin").read_bytes() == data
    beyond = command("curl", "-s", "-r", "10-", "-o", "/dev/null", "-w", "%{http_code} %header{content-range}",
                     f"{hub.url}/{name}/resolve/main/small.txt", user=None)  # fmt: skip
    assert beyond.stdout == "416 bytes */10"


def test_the_raw_route_shows_the_pointer(command: Command, hub: Hub, weights: tuple[str, bytes]) -> None:
    name, data = weights
    pointer = command("curl", "-sSf", f"{hub.url}/{name}/raw/main/dir/w.bin", user=None).stdout
    assert f"oid sha256:{hashlib.sha256(data).hexdigest()}\nsize {len(data)}\n" in pointer


def test_a_chunked_commit_without_a_length_is_accepted(
    command: Command, hub: Hub, weights: tuple[str, bytes], tmp_path: Path
) -> None:
    name, _ = weights
    lines = [
        {"key": "header", "value": {"summary": "By curl", "description": ""}},
        {"key": "file", "value": {"path": "by-curl.txt", "content": "chunked", "encoding": "utf-8"}},
    ]
    (tmp_path / "body").write_text("\n".join(json.dumps(line) for line in lines))
    done = command(
        "curl", "-sSf", "-X", "POST", f"{hub.url}/api/models/{name}/commit/main", "-H", "Transfer-Encoding: chunked",
        "-H", "Content-Type: application/x-ndjson", "-H", f"Authorization: Bearer {hub.token('alice')}",
        "--data-binary", "@body",
    )  # fmt: skip
    assert json.loads(done.stdout)["success"] is True
    assert command("curl", "-sSf", f"{hub.url}/{name}/resolve/main/by-curl.txt").stdout == "chunked"
