"""Addresses: encoded slashes, one-segment ids, names that look like actions."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import BadRequestError
from registry.hub.routing import RepositoryRoute, raw_segments, split_api, split_lfs, split_web

ACTIONS = frozenset({"tree", "revision", "refs", "resolve", "raw"})


def api(path: str) -> RepositoryRoute | None:
    return split_api(raw_segments({"RAW_URI": path}, ""), ACTIONS)


def web(path: str) -> RepositoryRoute | None:
    return split_web(raw_segments({"RAW_URI": path}, ""), ACTIONS)


def test_an_encoded_revision_and_path_stay_one_segment_each() -> None:
    route = api("/api/models/acme/x/tree/refs%2Fpr%2F1/a%2Fb?recursive=true")
    assert route == RepositoryRoute("model", "acme/x", "tree", ("refs/pr/1", "a/b"))


@given(
    st.lists(
        st.text(min_size=1, max_size=12, alphabet=st.characters(exclude_categories=["Cs"])), min_size=1, max_size=6
    )
)
def test_every_name_survives_the_way_through_the_address(names: list[str]) -> None:
    raw = "/" + "/".join(quote(name, safe="") for name in names)
    assert raw_segments({"RAW_URI": raw}, "") == tuple(names)


def test_without_a_raw_path_the_decoded_one_is_split() -> None:
    assert raw_segments({}, "/api/models/acme/x") == ("api", "models", "acme", "x")


def test_an_absolute_request_line_is_read_by_its_path() -> None:
    assert raw_segments({"RAW_URI": "http://hub.example/api/models/a%2Fb?x=1"}, "") == ("api", "models", "a/b")


def test_a_question_mark_in_a_file_name_stays_in_the_name() -> None:
    route = web("/acme/x/resolve/main/what%3F%20100%25.txt?download=true")
    assert route == RepositoryRoute("model", "acme/x", "resolve", ("main", "what? 100%.txt"))


def test_bytes_that_are_not_utf8_are_a_bad_request() -> None:
    with pytest.raises(BadRequestError):
        raw_segments({"RAW_URI": "/acme/x/resolve/main/%ff"}, "")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/models/gpt2", RepositoryRoute("model", "gpt2", "", ())),
        ("/api/models/gpt2/tree/main", RepositoryRoute("model", "gpt2", "tree", ("main",))),
        ("/api/datasets/acme/refs", RepositoryRoute("dataset", "acme/refs", "", ())),
        ("/api/datasets/acme/refs/refs", RepositoryRoute("dataset", "acme/refs", "refs", ())),
        ("/api/models/acme/x/", RepositoryRoute("model", "acme/x", "", ())),
        ("/api/spaces/acme/x/revision/v1", RepositoryRoute("space", "acme/x", "revision", ("v1",))),
        ("/api/models/acme/x/nonsense", None),
        ("/api/papers/1", None),
        ("/api/models", None),
    ],
)
def test_api_addresses(path: str, expected: RepositoryRoute | None) -> None:
    assert api(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/datasets/acme/d/resolve/main/a/b.csv",
            RepositoryRoute("dataset", "acme/d", "resolve", ("main", "a", "b.csv")),
        ),
        ("/gpt2/raw/main/README.md", RepositoryRoute("model", "gpt2", "raw", ("main", "README.md"))),
        ("/datasets/squad/resolve/main/x", RepositoryRoute("dataset", "squad", "resolve", ("main", "x"))),
        ("/acme/resolve/resolve/main/x", RepositoryRoute("model", "acme/resolve", "resolve", ("main", "x"))),
        ("/acme/x/blob/main/x", None),
    ],
)
def test_download_addresses(path: str, expected: RepositoryRoute | None) -> None:
    assert web(path) == expected


@pytest.mark.parametrize(
    ("path", "action", "full_name", "kind"),
    [
        ("/acme/x.git/info/lfs/objects/batch", "objects/batch", "acme/x", "model"),
        ("/datasets/acme/x.git/info/lfs/locks/verify", "locks/verify", "acme/x", "dataset"),
        ("/acme/x/info/lfs/locks", "locks", "acme/x", "model"),
    ],
)
def test_lfs_addresses(path: str, action: str, full_name: str, kind: str) -> None:
    route = split_lfs(raw_segments({"RAW_URI": path}, ""))
    assert route == RepositoryRoute(kind, full_name, action, ())


def test_git_addresses_are_not_lfs_ones() -> None:
    assert split_lfs(("acme", "x.git", "info", "refs")) is None
