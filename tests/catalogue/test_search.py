"""Search, facets, tags and download counts: what is found, in which order, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry.accounts.models import Organization, User
from registry.accounts.principal import ANONYMOUS, Principal
from registry.catalogue import search
from registry.catalogue.counters import download_record, windows_roll
from registry.catalogue.models import DownloadMark, RepositoryCounters, RepositoryProfile
from registry.catalogue.selectors import facets, parse_parameters, parse_sort, repository_search, tags_by_type
from registry.errors import InvalidError
from registry.repositories.models import Repository

pytestmark = pytest.mark.django_db
Publish = Callable[..., Repository]
Of = Callable[..., Principal]


def card(**data: Any) -> dict[str, str]:
    lines = "".join(f"{key}: {value}\n" for key, value in data.items() if key != "text")
    return {"README.md": f"---\n{lines}---\n{data.get('text', '')}\n"}


def names(principal: Principal = ANONYMOUS, **question: Any) -> list[str]:
    return [
        item.name for item in repository_search(principal, **{"type": "model", "sort": "createdAt", **question}).items
    ][::-1]


@pytest.fixture
def shelf(alice: User, bob: User, publish: Publish, licenses: None) -> None:
    """Four models and a dataset, made in this order."""
    publish(
        alice, "bert-tiny", files=card(license="mit", pipeline_tag="fill-mask", language="en", text="Small encoder.")
    )
    publish(
        alice,
        "GPT-big",
        files=card(license="cc-by-nc-4.0", pipeline_tag="text-generation", library_name="gguf", tags="[chat]"),
    )
    publish(
        bob,
        "bert-large",
        files=card(pipeline_tag="fill-mask", tags="[chat]", text="100% larger _than_ BERT-tiny's encoder."),
    )
    publish(bob, "secret-bert", private=True, files=card(license="mit", pipeline_tag="fill-mask"))
    publish(bob, "words", type="dataset", files=card(license="mit", task_categories="[fill-mask]"))
    Repository.objects.filter(name="GPT-big").update(gated="manual")
    for name, count in (("bert-tiny", 10**6), ("GPT-big", 7 * 10**9)):
        RepositoryProfile.objects.filter(repository__name=name).update(parameters=count)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({}, ["bert-tiny", "GPT-big", "bert-large"]),
        ({"search": "BERT"}, ["bert-tiny", "bert-large"]),
        ({"search": "encoder"}, ["bert-tiny", "bert-large"]),
        ({"search": "alice/"}, ["bert-tiny", "GPT-big"]),
        ({"search": ["bert", "larg"]}, ["bert-large"]),
        ({"search": "t-"}, ["bert-tiny", "GPT-big", "bert-large"]),
        ({"search": "100%"}, ["bert-large"]),
        ({"search": "_than_"}, []),
        ({"search": "tiny's"}, ["bert-large"]),
        ({"search": '"'}, []),
        ({"search": 'a" OR "b'}, []),
        ({"search": "nothing like it"}, []),
        ({"author": "ALICE"}, ["bert-tiny", "GPT-big"]),
        ({"author": "ali"}, []),
        ({"filters": ["chat"]}, ["GPT-big", "bert-large"]),
        ({"filters": ["chat", "fill-mask"]}, ["bert-large"]),
        ({"filters": ["language:en"]}, ["bert-tiny"]),
        ({"filters": ["license:mit"]}, ["bert-tiny"]),
        ({"pipeline_tag": "fill-mask"}, ["bert-tiny", "bert-large"]),
        ({"library": "gguf"}, ["GPT-big"]),
        ({"license": "mit"}, ["bert-tiny"]),
        ({"license_category": "non-commercial"}, ["GPT-big"]),
        ({"license_category": "unstated"}, ["bert-large"]),
        ({"gated": True}, ["GPT-big"]),
        ({"gated": False}, ["bert-tiny", "bert-large"]),
        ({"parameters": "min:1M,max:6B"}, ["bert-tiny"]),
        ({"parameters": "min:6.5b"}, ["GPT-big"]),
        ({"type": "dataset"}, ["words"]),
        ({"type": "dataset", "filters": ["task_categories:fill-mask"]}, ["words"]),
        ({"type": "space"}, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("selective", [2000, 0])
def test_criteria(
    shelf: None, monkeypatch: pytest.MonkeyPatch, question: dict[str, Any], expected: list[str], selective: int
) -> None:
    monkeypatch.setattr(search, "SELECTIVE", selective)  # 0: every criterion counts as one that many meet
    assert names(**question) == expected


def test_spaces_are_found_by_the_repositories_they_name(alice: User, publish: Publish) -> None:
    publish(alice, "linked", type="space", space_sdk="docker", files=card(models="[alice/m]", datasets="alice/d"))
    publish(alice, "alone", type="space", space_sdk="docker")
    for tag in ("models:alice/m", "datasets:alice/d", "linked:any"):
        assert names(type="space", filters=[tag]) == ["linked"]


def test_private_repositories_are_found_by_those_who_may_see_them(
    shelf: None, bob: User, alice: User, principal_of: Of
) -> None:
    assert names(principal_of(bob), search="secret") == ["secret-bert"]
    assert names(principal_of(alice), search="secret") == []
    assert "secret-bert" not in names(principal_of(alice), filters=["license:mit"])


def test_members_find_what_their_organization_keeps_private(
    acme: Organization, carol: User, rita: User, bob: User, publish: Publish, principal_of: Of
) -> None:
    publish(carol, "x", namespace="acme", private=True)
    assert names(principal_of(rita)) == ["x"]
    assert names(principal_of(bob)) == []


@pytest.mark.parametrize("sort", ["trendingScore", "downloads", "likes", "lastModified", "createdAt", None])
def test_pages_follow_the_order_and_meet_every_row_once(alice: User, publish: Publish, sort: str | None) -> None:
    for index in range(7):
        repository = publish(alice, f"r{index}")
        RepositoryCounters.objects.filter(pk=repository.pk).update(
            downloads=index // 2, likes=index // 2, trending=index // 2 / 3
        )
        moment = timezone.now() - timedelta(days=index // 2, microseconds=1)
        Repository.objects.filter(pk=repository.pk).update(updated_at=moment, created_at=moment)
    whole = repository_search(ANONYMOUS, type="model", sort=sort, limit=100)
    assert len(whole.items) == 7
    assert whole.next_cursor is None
    seen: list[int] = []
    cursor = None
    while True:
        page = repository_search(ANONYMOUS, type="model", sort=sort, cursor=cursor, limit=2)
        seen += [item.pk for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [item.pk for item in whole.items]


def test_rows_that_change_between_pages_hide_no_other(alice: User, publish: Publish) -> None:
    made = [publish(alice, f"r{index}") for index in range(6)]
    for index, repository in enumerate(made):
        RepositoryCounters.objects.filter(pk=repository.pk).update(downloads=index)
    first = repository_search(ANONYMOUS, type="model", sort="downloads", limit=3)
    RepositoryCounters.objects.filter(pk=made[0].pk).update(downloads=100)  # jumps before the page already read
    made[4].delete()
    publish(alice, "new")
    rest = repository_search(ANONYMOUS, type="model", sort="downloads", limit=3, cursor=first.next_cursor)
    assert [item.name for item in rest.items] == ["r2", "r1", "new"]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "W10",
        "bnVsbA",
        "WyJsaWtlcyIsIDEsIDFd",
        "WyJkb3dubG9hZHMiLCB7fSwgMV0",
        "WyJkb3dubG9hZHMiLCAxZTk5LCAxXQ",
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidError, match="cursor"):
        repository_search(ANONYMOUS, type="model", sort="downloads", cursor=cursor)


@pytest.mark.parametrize("text", ["6B", "min:", "min:-1", "min:1X", "min:1,max", "min:1;max:2"])
def test_a_bad_range_or_order_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_parameters(text)
    with pytest.raises(InvalidError):
        parse_sort(text)


@pytest.mark.parametrize("question", [{"search": "a\0"}, {"search": ["\0"]}, {"filters": ["\0"]}, {"author": "\0"}])
def test_what_no_database_can_compare_is_refused(question: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match="NUL"):
        names(**question)


def test_ranges() -> None:
    assert parse_parameters("min:6B,max:128B") == (6 * 10**9, 128 * 10**9)
    assert parse_parameters("max:1.5k") == (None, 1500)
    assert parse_parameters("min:" + "9" * 300) == (2**63 - 1, None)
    assert parse_parameters(None) == parse_parameters("") == (None, None)


def test_a_page_costs_two_queries_and_its_items_need_no_more(shelf: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        for item in repository_search(ANONYMOUS, type="model").items:
            assert item.namespace.name
            assert item.counters.downloads == 0
            assert item.profile.license is None or item.profile.license.name


def test_a_renamed_description_is_found_by_its_new_words_only(alice: User, publish: Publish) -> None:
    publish(alice, files=card(text="Old words."))
    publish(alice, files=card(text="Fresh words."))
    assert names(search="old wo") == []
    assert names(search="fresh") == ["m"]
    Repository.objects.all().delete()
    assert names(search="fresh") == []


def test_facets_count_what_the_caller_sees(shelf: None, bob: User, principal_of: Of) -> None:
    def counts(key: str, *who: Principal, **question: Any) -> dict[str, int]:
        return {v.value: v.count for v in facets(*(who or (ANONYMOUS,)), "model", **question)[key]}

    assert counts("task") == {"fill-mask": 2, "text-generation": 1}
    assert counts("task", principal_of(bob)) == {"fill-mask": 3, "text-generation": 1}
    assert counts("task") == {"fill-mask": 2, "text-generation": 1}
    assert counts("library") == {"gguf": 1}
    assert counts("language") == {"en": 1}
    assert counts("license_category") == {"permissive": 1, "non-commercial": 1, "unstated": 1}
    assert counts("gated") == {"open": 2, "manual": 1}
    assert counts("owner") == {"alice": 2, "bob": 1}
    assert counts("task", search="large") == {"fill-mask": 1}
    assert counts("owner", filters=["chat"]) == {"alice": 1, "bob": 1}


def test_tags_are_listed_by_kind_and_private_ones_are_not(shelf: None, bob: User, publish: Publish) -> None:
    publish(bob, "hidden", private=True, files=card(tags="[covert]"))
    listed = tags_by_type("model")
    assert {"id": "fill-mask", "label": "fill-mask", "type": "pipeline_tag"} in listed["pipeline_tag"]
    assert {"id": "license:mit", "label": "mit", "type": "license"} in listed["license"]
    assert {"id": "chat", "label": "chat", "type": "other"} in listed["other"]
    assert "covert" not in str(listed)


# --- counts -----------------------------------------------------------------------------------------------------
def test_each_client_counts_once_a_day(
    alice: User, bob: User, publish: Publish, principal_of: Of, django_assert_num_queries: Any
) -> None:
    repository = publish(alice)
    here, there = Principal(client="a"), Principal(client="b")
    callers = (here, here, there, principal_of(bob))
    first = [download_record(repository=repository, principal=who) for who in callers]
    assert first == [True, False, True, True]
    counters = RepositoryCounters.objects.get(pk=repository.pk)
    assert (counters.downloads, counters.downloads_all_time) == (3, 3)
    with django_assert_num_queries(0):
        download_record(repository=repository, principal=here)


def test_another_process_counts_no_second_time(alice: User, publish: Publish) -> None:
    from django.core.cache import cache  # noqa: PLC0415 (its emptiness stands for another process)

    repository = publish(alice)
    assert download_record(repository=repository, principal=Principal(client="a"))
    cache.clear()
    assert not download_record(repository=repository, principal=Principal(client="a"))
    assert RepositoryCounters.objects.get(pk=repository.pk).downloads == 1


@pytest.mark.django_db(transaction=True)
def test_a_repository_that_has_gone_costs_no_download(alice: User, publish: Publish) -> None:
    repository = publish(alice)
    pk = repository.pk
    Repository.objects.filter(pk=pk).delete()
    repository.pk = pk
    download_record(repository=repository, principal=Principal(client="a"))


def test_the_window_rolls(alice: User, publish: Publish) -> None:
    one, two = publish(alice, "one"), publish(alice, "two")
    today = date(2026, 6, 30)
    for index, age in enumerate((0, 0, 3, 29, 30, 400)):
        DownloadMark.objects.create(repository=one, client=str(index), window=today - timedelta(days=age))
    RepositoryCounters.objects.filter(pk=one.pk).update(downloads=6, downloads_all_time=6)
    RepositoryCounters.objects.filter(pk=two.pk).update(likes=2)
    assert windows_roll(today=today) == 2
    rolled = RepositoryCounters.objects.get(pk=one.pk)
    assert (rolled.downloads, rolled.downloads_all_time, rolled.trending) == (4, 6, round(2 + 0.8**3, 3))
    assert RepositoryCounters.objects.get(pk=two.pk).trending == 1
    assert DownloadMark.objects.count() == 4
    assert windows_roll(today=today) == 0
