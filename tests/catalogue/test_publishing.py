"""Publishing: one transaction for the commit, the profile, the audit entry and the outbox message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from registry.accounts.models import User
from registry.accounts.principal import Principal
from registry.audit.models import AuditEntry
from registry.catalogue import facts, lineage
from registry.catalogue.licensing_facts import licensing_facts
from registry.catalogue.models import LineageEdge, ObjectFacts, RepositoryProfile, RepositoryTag
from registry.catalogue.publishing import commit_publish, repository_publish
from registry.errors import InvalidError
from registry.licensing.models import Entitlement, Offer
from registry.repositories import trees
from registry.repositories.commits import AddFile
from registry.repositories.errors import (
    EntryNotFoundError,
    RepositoryExistsError,
    RepositoryInUseError,
    StaleParentError,
)
from registry.repositories.models import Repository, RepositoryCommit
from registry.repositories.selectors import revision_resolve
from registry.repositories.services import branch_create, repository_delete, repository_update
from tests.catalogue.conftest import safetensors_bytes  # type: ignore[import-not-found]

pytestmark = pytest.mark.django_db
Of = Callable[..., Principal]
Publish = Callable[..., Repository]

CARD = """---
license: mit
language: [en, no]
tags: [tiny, "license:fake"]
datasets: [squad, alice/data]
base_model: alice/base
pipeline_tag: text-classification
---
# Tiny

A tiny classifier. Made for tests.
"""
CONFIG = '{"architectures": ["BertForMaskedLM"], "model_type": "bert", "id2label": {"0": "a", "1": "b"}, "x": NaN}'


CONFIGURED = ["config.json"]
WHISPER = {"model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"]}


def test_creating_makes_the_profile_and_is_audited(alice: User, publish: Publish) -> None:
    repository = publish(alice)
    head = revision_resolve(repository)
    assert (repository.profile.head_oid, repository.profile.license_status) == (head, "unstated")
    entry = AuditEntry.objects.get(action="repository.create")
    assert (entry.actor, entry.target) == ("alice", "model:alice/m")
    assert entry.details == {"type": "model", "name": "alice/m", "private": False, "head": head}


def test_a_commit_refreshes_the_profile_and_is_told_once(alice: User, publish: Publish, licenses: None) -> None:
    repository = publish(alice, files={"README.md": CARD, "config.json": CONFIG})
    profile = repository.profile
    head = revision_resolve(repository)
    assert profile.head_oid == head
    assert profile.description == "A tiny classifier."
    assert (profile.license_declared, profile.license_id, profile.license_status) == ("mit", "mit", "stated")
    assert (profile.pipeline_tag, profile.library_name, profile.languages) == (
        "text-classification",
        "transformers",
        ["en", "no"],
    )
    assert profile.config == {"architectures": ["BertForMaskedLM"], "model_type": "bert", "num_labels": 2}
    assert profile.card_oid == trees.entry_get(head, "README.md").oid
    assert (profile.file_count, profile.card_error) == (3, "")
    assert profile.tags == [
        "transformers", "bert", "text-classification", "tiny", "license:fake", "en", "no", "dataset:squad",
        "dataset:alice/data", "base_model:alice/base", "base_model:finetune:alice/base", "license:mit",
    ]  # fmt: skip
    rows = set(RepositoryTag.objects.filter(repository=repository).values_list("tag", flat=True))
    assert rows - set(profile.tags) == {
        "language:en",
        "language:no",
        "library:transformers",
        "pipeline_tag:text-classification",
    }
    details = AuditEntry.objects.get(action="repository.commit").details
    assert (details["ref"], details["new"]) == ("refs/heads/main", head)
    publish(alice, files={"README.md": CARD})
    assert AuditEntry.objects.filter(action="repository.commit").count() == 1


def test_what_a_card_no_longer_says_goes(alice: User, publish: Publish, licenses: None) -> None:
    publish(alice, files={"README.md": CARD, "config.json": CONFIG})
    repository = publish(alice, files={"README.md": None, "config.json": None})
    profile = repository.profile
    assert (profile.card_data, profile.card_oid, profile.license_id, profile.license_status) == (
        None,
        "",
        None,
        "unstated",
    )
    assert (profile.tags, profile.config, profile.pipeline_tag) == ([], None, "")
    assert not RepositoryTag.objects.exists()
    assert not LineageEdge.objects.exists()


@pytest.mark.parametrize(
    "card",
    [
        "---\na: [\n---\nx",
        "---\n- a\n---\n",
        b"\xff\xfe---\n\0",
        "---\nlicense: {a: [1]}\ntags: 3\nbase_model: {x: 1}\n---\n",
    ],
)
def test_a_broken_card_never_breaks_a_commit(alice: User, publish: Publish, card: str | bytes) -> None:
    repository = publish(
        alice, files={"README.md": card, "config.json": "{broken", "model.safetensors.index.json": "[1]"}
    )
    assert repository.profile.license_status == "unstated"
    assert repository.profile.head_oid == revision_resolve(repository)


def test_a_card_with_a_reason_keeps_the_reason(alice: User, publish: Publish) -> None:
    repository = publish(alice, files={"README.md": "---\na: [\n---\nStill a sentence here.\n"})
    assert "not valid YAML" in repository.profile.card_error
    assert repository.profile.description == "Still a sentence here."


def test_validation_refuses_a_bad_card_if_asked(
    alice: User, principal_of: Of, publish: Publish, licenses: None
) -> None:
    repository = publish(alice)
    head = revision_resolve(repository)
    arguments: dict[str, Any] = {
        "principal": principal_of(alice),
        "repository": repository,
        "branch": "main",
        "title": "t",
    }
    bad, good = AddFile("README.md", b"---\nlicense: made-up\n---\n"), AddFile("README.md", CARD.encode())
    with pytest.raises(InvalidError, match=r"Invalid metadata in README\.md") as refused:
        commit_publish(**arguments, operations=[bad], validate_card=True)
    assert "made-up" in refused.value.details["errors"][0]["message"]
    assert revision_resolve(repository) == head
    assert commit_publish(**arguments, operations=[good], validate_card=True).changed


def test_a_failed_commit_leaves_no_trace(alice: User, principal_of: Of, publish: Publish) -> None:
    repository = publish(alice)
    counts = [model.objects.count() for model in (AuditEntry, RepositoryCommit)]
    with pytest.raises(StaleParentError):
        commit_publish(
            principal=principal_of(alice), repository=repository, branch="main", title="t",
            operations=[AddFile("README.md", CARD.encode())], expected_parent="0" * 40,
        )  # fmt: skip
    assert [model.objects.count() for model in (AuditEntry, RepositoryCommit)] == counts
    assert RepositoryProfile.objects.get(pk=repository.pk).card_data is None


def test_only_main_makes_the_profile(alice: User, principal_of: Of, publish: Publish) -> None:
    repository = publish(alice)
    me = principal_of(alice)
    branch_create(principal=me, repository=repository, branch="dev")
    commit_publish(
        principal=me, repository=repository, branch="dev", title="t", operations=[AddFile("README.md", CARD.encode())]
    )
    assert RepositoryProfile.objects.get(pk=repository.pk).card_data is None
    assert AuditEntry.objects.get(action="repository.commit").details["ref"] == "refs/heads/dev"


def test_a_space_comes_with_its_files(alice: User, principal_of: Of) -> None:
    space = repository_publish(
        principal=principal_of(alice), type="space", namespace=None, name="s", space_sdk="static"
    )
    head = revision_resolve(space)
    assert [entry.path for entry in trees.list_recursive(head)] == [
        ".gitattributes",
        "README.md",
        "index.html",
        "style.css",
    ]
    assert RepositoryProfile.objects.get(pk=space.pk).card_data == {"title": "s", "sdk": "static"}
    with pytest.raises(InvalidError, match="no sdk"):
        repository_publish(principal=principal_of(alice), type="space", namespace=None, name="t", space_sdk="vim")


def test_a_refused_creation_leaves_no_trace(alice: User, publish: Publish, principal_of: Of) -> None:
    publish(alice)
    with pytest.raises(RepositoryExistsError):
        repository_publish(principal=principal_of(alice), type="model", namespace=None, name="M")
    assert AuditEntry.objects.filter(action="repository.create").count() == 1


def test_changes_and_deletions_are_audited(alice: User, publish: Publish, principal_of: Of) -> None:
    repository = publish(alice)
    repository_update(principal=principal_of(alice), repository=repository, gated="manual")
    repository_delete(principal=principal_of(alice), repository=repository)
    told = AuditEntry.objects.filter(target="model:alice/m").order_by("pk").values_list("action", flat=True)
    assert list(told) == ["repository.create", "repository.update", "repository.delete"]


def test_a_repository_that_a_customer_is_entitled_to_stays(
    alice: User, bob: User, publish: Publish, principal_of: Of, licenses: None
) -> None:
    repository = publish(alice)
    offer = Offer.objects.create(repository=repository, title="Paid", license_id="mit", acquisition="purchase")
    Entitlement.objects.create(offer=offer, user=bob)
    with pytest.raises(RepositoryInUseError, match="entitlements depend on it"):
        repository_delete(principal=principal_of(alice), repository=repository)
    assert Repository.objects.filter(pk=repository.pk).exists()


# --- weights ----------------------------------------------------------------------------------------------------
def test_parameters_are_counted_over_the_shards_that_the_index_names(alice: User, publish: Publish) -> None:
    one, two = safetensors_bytes(a=("F32", [10])), safetensors_bytes(b=("F16", [3, 3]), c=("F32", [1]))
    index = '{"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-2.safetensors", "d": "../x"}}'
    repository = publish(
        alice, files={"model.safetensors.index.json": index}, large={"m-1.safetensors": one, "m-2.safetensors": two}
    )
    assert repository.profile.safetensors == {"parameters": {"F32": 11, "F16": 9}, "total": 20}
    assert (repository.profile.parameters, repository.profile.formats) == (20, ["safetensors"])
    assert ObjectFacts.objects.count() == 2


def test_headers_are_read_once_for_each_object(alice: User, publish: Publish, settings: Any, tmp_path: Any) -> None:
    publish(alice, large={"model.safetensors": safetensors_bytes(a=("F32", [10]))})
    settings.OBJECT_STORE_URL = f"file://{tmp_path}"  # whoever reads the object again finds nothing
    assert publish(alice, files={"notes.txt": "x"}).profile.parameters == 10


@pytest.mark.parametrize("data", [b"", b"not safetensors at all", b"\xff" * 64])
def test_weights_that_are_not_to_be_believed_have_no_parameters(alice: User, publish: Publish, data: bytes) -> None:
    assert publish(alice, large={"model.safetensors": data or b"\0"}).profile.parameters is None
    assert publish(alice, files={"model.safetensors": data}).profile.parameters is None


def test_a_small_file_outside_lfs_is_read_too(alice: User, publish: Publish) -> None:
    assert publish(alice, files={"model.safetensors": safetensors_bytes(a=("I8", [7]))}).profile.parameters == 7


@pytest.mark.parametrize(
    ("paths", "card", "config", "library", "task"),
    [
        (CONFIGURED, {}, {"architectures": ["BertModel"]}, "transformers", "feature-extraction"),
        (CONFIGURED, {}, {"architectures": ["LlamaForCausalLM"]}, "transformers", "text-generation"),
        (CONFIGURED, {}, WHISPER, "transformers", "automatic-speech-recognition"),
        (["modules.json", *CONFIGURED], {}, {"model_type": "bert"}, "sentence-transformers", "sentence-similarity"),
        (["adapter_config.json"], {}, None, "peft", ""),
        (["x.gguf"], {}, None, "gguf", ""),
        (["model_index.json"], {"pipeline_tag": "text-to-image"}, None, "diffusers", "text-to-image"),
        (["modules.json"], {"library_name": "mine"}, None, "mine", ""),
        ([], {"library_name": 3, "pipeline_tag": ["x"]}, None, "", ""),
    ],
)  # fmt: skip
def test_library_and_task(
    paths: list[str], card: dict[str, Any], config: dict[str, Any] | None, library: str, task: str
) -> None:
    found = facts.detect_library(paths, card, config)
    assert (found, facts.detect_pipeline(card, config, found)) == (library, task)


def test_formats() -> None:
    assert facts.detect_formats(["a.safetensors", "pytorch_model.bin", "x/y.ONNX", "README.md"]) == [
        "onnx",
        "pytorch",
        "safetensors",
    ]
    assert facts.detect_formats(["vocab.bin"]) == []
    assert facts.dataset_formats(["data/a.parquet", "b.jsonl", ".x.json", "dataset_infos.json"]) == ["json", "parquet"]


# --- lineage ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("card", "facts_", "expected"),
    [
        ({"base_model": "a/b"}, {}, [("finetune", "model", "a/b")]),
        ({"base_model": ["a/b", "c/d"]}, {}, [("merge", "model", "a/b"), ("merge", "model", "c/d")]),
        ({"base_model": ["a/b", "a/b"], "base_model_relation": "quantized"}, {}, [("quantized", "model", "a/b")]),
        ({"base_model": "a/b"}, {"is_adapter": True}, [("adapter", "model", "a/b")]),
        ({"base_model": "a/b"}, {"is_quantized": True}, [("quantized", "model", "a/b")]),
        ({"base_model": "a/b", "base_model_relation": "cousin"}, {}, [("finetune", "model", "a/b")]),
        ({"datasets": "squad"}, {}, [("dataset", "dataset", "squad")]),
        ({"base_model": {"x": 1}, "datasets": [3, None, ""]}, {}, []),
    ],
)
def test_declared_edges(card: dict[str, Any], facts_: dict[str, bool], expected: list[tuple[str, str, str]]) -> None:
    options = {"is_adapter": False, "is_quantized": False, **facts_}
    edges = lineage.declared_edges(card, "model", **options)
    assert [(edge.relation, edge.base_type, edge.base_name) for edge in edges] == expected


def test_ancestors_carry_their_license_as_it_stands_now(alice: User, publish: Publish, licenses: None) -> None:
    publish(alice, "base", files={"README.md": "---\nlicense: cc-by-nc-4.0\n---\n"})
    publish(alice, "mid", files={"README.md": "---\nlicense: mit\nbase_model: ALICE/Base\n---\n"})
    publish(alice, "data", type="dataset", files={"README.md": "---\nlicense: mit\n---\n"})
    top = publish(
        alice, "top", files={"README.md": "---\nbase_model: alice/mid\ndatasets: [alice/data, elsewhere/x]\n---\n"}
    )
    assert licensing_facts(top).ancestors == [
        ("dataset", "mit", "alice/data"), ("dataset", None, "elsewhere/x"), ("finetune", "mit", "alice/mid"),
        ("finetune", "cc-by-nc-4.0", "alice/base"),
    ]  # fmt: skip
    assert (licensing_facts(top).declared, licensing_facts(top).status) == ("", "unstated")
    publish(alice, "base", files={"README.md": "---\nlicense: gpl-3.0\n---\n"})
    assert licensing_facts(top).ancestors[-1][1] == "gpl-3.0"
    base = Repository.objects.get(full_name="alice/base")
    assert [edge.repository.full_name for edge in lineage.descendants(base)] == ["alice/mid"]


def test_a_base_that_comes_later_is_found(alice: User, publish: Publish, licenses: None) -> None:
    child = publish(alice, "child", files={"README.md": "---\nbase_model: alice/Later\n---\n"})
    assert lineage.ancestors(child)[0].repository is None
    later = publish(alice, "later", files={"README.md": "---\nlicense: mit\n---\n"})
    node = lineage.ancestors(child)[0]
    assert (node.repository, node.license_id, node.name) == (later, "mit", "alice/later")


def test_cycles_end(alice: User, publish: Publish) -> None:
    one = publish(alice, "one", files={"README.md": "---\nbase_model: [alice/two, alice/one]\n---\n"})
    publish(alice, "two", files={"README.md": "---\nbase_model: alice/one\n---\n"})
    assert [(node.child, node.name) for node in lineage.ancestors(one)] == [
        ("alice/one", "alice/one"), ("alice/one", "alice/two"), ("alice/two", "alice/one"),
    ]  # fmt: skip


def test_what_a_job_confirmed_outlives_the_card(alice: User, publish: Publish) -> None:
    publish(alice, "base")
    child = publish(alice, "child", files={"README.md": "---\nbase_model: alice/base\n---\n"})
    edge = lineage.Edge("finetune", "model", "alice/base", "a" * 40)
    lineage.edges_set(repository=child, edges=[edge], source="confirmed")
    for card in ("---\nbase_model: alice/base\n---\n", "nothing any more"):
        publish(alice, "child", files={"README.md": card})
        node = lineage.ancestors(child)[0]
        assert (node.source, node.commit, node.name) == ("confirmed", "a" * 40, "alice/base")


def test_an_unknown_path_still_says_so_after_publishing(alice: User, publish: Publish) -> None:
    with pytest.raises(EntryNotFoundError):
        trees.entry_get(revision_resolve(publish(alice)), "README.md")
