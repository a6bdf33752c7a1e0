"""Names and paths: what passes, what is refused, and that refusal never depends on luck."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidError
from registry.repositories.errors import RepositoryNotFoundError
from registry.repositories.names import check_repository_name, parse_repository_id, valid_repository_name
from registry.repositories.paths import parse_folder, parse_path


@pytest.mark.parametrize("name", ["a", "bert-base", "v1.0", "x_y", "A" * 96])
def test_a_usual_name_is_valid(name: str) -> None:
    assert check_repository_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", ".a", "a.", "a--b", "a..b", "a.git", "a.GIT", "a/b", "ä", "a b", "A" * 97]
)
def test_a_name_that_clients_cannot_address_is_refused(name: str) -> None:
    assert not valid_repository_name(name)
    with pytest.raises(InvalidError, match="not a valid repository name"):
        check_repository_name(name)


@pytest.mark.parametrize(
    ("kind", "prefix", "api_path"),
    [
        ("model", "", "api/models/a/b"),
        ("dataset", "datasets/", "api/datasets/a/b"),
        ("space", "spaces/", "api/spaces/a/b"),
    ],
)
def test_an_id_knows_its_addresses(kind: str, prefix: str, api_path: str) -> None:
    repository_id = parse_repository_id(kind, "a/b")
    assert (repository_id.prefix, repository_id.api_path, repository_id.path) == (prefix, api_path, f"{prefix}a/b")


@pytest.mark.parametrize("text", ["gpt2", "a/b/c", "/b", "a/", "", "a/b c", "a/..", "x" * 500])
def test_an_id_that_nothing_can_have_is_not_found(text: str) -> None:
    with pytest.raises(RepositoryNotFoundError):
        parse_repository_id("model", text)


@pytest.mark.parametrize("path", ["README.md", "a/b/c.bin", "sp ace/ü?.txt", ".gitattributes", ".gitignore", "a.git/x"])
def test_a_usual_path_passes_unchanged(path: str) -> None:
    assert parse_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "/a", "a/", "a//b", ".", "..", "...", "a/../b", "../a", "./a", "a\\b", "a\0b", "a\nb", "a\x7f", "a\x85b",
        ".git", "a/.git/config", ".GIT/x", ".git ", ".git.", "git~1", ".g\u200cit", "\ud800", "x" * 256,
        "a/" * 2100 + "b",
    ],
)  # fmt: skip
def test_a_dangerous_path_is_refused_with_422_also_on_hub_routes(path: str) -> None:
    with pytest.raises(InvalidError, match="not a valid path") as refused:
        parse_path(path)
    assert refused.value.details["keep_status"] is True
    assert "\n" not in refused.value.message


def test_a_folder_may_end_in_one_slash() -> None:
    assert parse_folder("a/b/") == "a/b"
    with pytest.raises(InvalidError):
        parse_folder("a//")


@given(st.text(max_size=60))
def test_whatever_passes_stays_below_the_root(text: str) -> None:
    try:
        path = parse_path(text)
    except InvalidError:
        return
    parts = path.split("/")
    assert path == text
    assert all(part and part not in {".", ".."} and part.lower() != ".git" for part in parts)
    assert not path.startswith("/")


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20), min_size=1, max_size=6))
def test_letters_and_digits_always_pass(parts: list[str]) -> None:
    assert parse_path("/".join(parts)) == "/".join(parts)
