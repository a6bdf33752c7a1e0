"""How to use a repository from a client: lines to copy, with this host's address."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from registry.catalogue.models import RepositoryProfile
from registry.repositories.models import Repository

_AUTO_CLASS = {
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "text-generation": "AutoModelForCausalLM",
    "fill-mask": "AutoModelForMaskedLM",
    "summarization": "AutoModelForSeq2SeqLM",
    "translation": "AutoModelForSeq2SeqLM",
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way, named by its client."""

    name: str
    title: str
    text: str


def use_snippets(repository: Repository, profile: RepositoryProfile | None) -> list[Snippet]:
    """Returns the ways to get a repository, the likeliest first."""
    make = _dataset_snippets if repository.type == "dataset" else _model_snippets
    return make(repository, profile)


def _endpoint() -> str:
    return f"export HF_ENDPOINT={settings.PUBLIC_URL}"


def _token(repository: Repository) -> str:
    needs_token = repository.is_private or repository.gated
    return "\nexport HF_TOKEN=…   # from Settings, Access tokens" if needs_token else ""


def _python_endpoint() -> str:
    return f'import os\nos.environ["HF_ENDPOINT"] = "{settings.PUBLIC_URL}"   # before the library is imported\n\n'


def _model_snippets(repository: Repository, profile: RepositoryProfile | None) -> list[Snippet]:
    name = repository.full_name
    auto = _AUTO_CLASS.get(profile.pipeline_tag if profile else "", "AutoModel")
    code = (
        f"{_python_endpoint()}from transformers import {auto}, AutoTokenizer\n\n"
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")\n'
        f'model = {auto}.from_pretrained("{name}")'
    )
    return [Snippet("transformers", "Python", code), *_common(repository, "")]


def _dataset_snippets(repository: Repository, profile: RepositoryProfile | None) -> list[Snippet]:
    del profile
    name = repository.full_name
    code = f'{_python_endpoint()}from datasets import load_dataset\n\ndata = load_dataset("{name}")'
    return [Snippet("datasets", "Python", code), *_common(repository, "datasets/")]


def _common(repository: Repository, prefix: str) -> list[Snippet]:
    name = repository.full_name
    kind = " --repo-type dataset" if prefix else ""
    argument = ', repo_type="dataset"' if prefix else ""
    bearer = ' -H "Authorization: Bearer $HF_TOKEN"' if repository.is_private or repository.gated else ""
    address = f"{settings.PUBLIC_URL}/{prefix}{name}/resolve/main/README.md"
    snapshot = (
        f"{_python_endpoint()}from huggingface_hub import snapshot_download\n\n"
        f'folder = snapshot_download("{name}"{argument})'
    )
    return [
        Snippet("hf", "Command line", f"{_endpoint()}{_token(repository)}\nhf download {name}{kind}"),
        Snippet("hub", "Python", snapshot),
        Snippet("curl", "Command line", f"curl -L{bearer} -O \\\n  {address}"),
    ]


def client_snippet() -> str:
    """Returns how any client is pointed at this hub."""
    return f"{_endpoint()}\nhf download owner/name"
