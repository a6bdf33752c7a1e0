"""Preupload: LFS or regular, ignored or not, judged as git itself judges."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import InvalidError
from registry.repositories.gitattributes import default_gitattributes
from registry.repositories.globs import Attributes, Ignores, lfs_line
from registry.repositories.preupload import UploadQuestion, plan

MIB = 1024 * 1024


def answer(
    path: str, size: int = 5, sample: bytes = b"text", *, ignore: bytes = b"", **present: str
) -> tuple[str, bool, str | None]:
    attributes = default_gitattributes("model")
    (found,) = plan(
        [UploadQuestion(path, size, sample)],
        gitattributes=attributes,
        gitignore=ignore,
        present=present,
        max_regular_size=10 * MIB,
    )
    return found.upload_mode, found.should_ignore, found.oid


@pytest.mark.parametrize(
    ("path", "size", "sample", "mode"),
    [
        ("lfs.bin", 7, b"", "lfs"),
        ("sub/model.safetensors", 7, b"", "lfs"),
        ("saved_model/a/b", 7, b"", "lfs"),
        ("x/saved_model/a", 7, b"", "regular"),
        ("events.tfevents.1", 1, b"", "lfs"),
        ("notes.txt", 9 * MIB, b"words", "regular"),
        ("notes.txt", 10 * MIB, b"words", "regular"),
        ("notes.txt", 10 * MIB + 1, b"words", "lfs"),
        ("picture.png", 1000, b"\x89PNG\0", "regular"),
        ("picture.png", 2 * MIB, b"\x89PNG\0", "lfs"),
    ],
)
def test_attributes_and_size_decide_how_a_file_is_sent(path: str, size: int, sample: bytes, mode: str) -> None:
    assert answer(path, size, sample)[0] == mode


def test_images_are_large_files_in_datasets_only() -> None:
    assert Attributes(default_gitattributes("dataset")).is_lfs("train/1.png")
    assert not Attributes(default_gitattributes("model")).is_lfs("train/1.png")


def test_an_ignored_file_is_told_apart_but_git_files_never_are() -> None:
    assert answer("a/x.log", ignore=b"*.log\n")[1] is True
    assert answer(".gitignore", ignore=b"*\n")[1] is False
    assert answer(".gitattributes", ignore=b"*\n")[1] is False


def test_the_present_id_is_passed_on() -> None:
    assert answer("a", a="123")[2] == "123"
    assert answer("b", a="123")[2] is None


def test_a_dangerous_path_is_refused() -> None:
    with pytest.raises(InvalidError):
        answer("../x")


def test_a_pattern_made_to_be_slow_is_not() -> None:
    slow = b"a*" * 120 + b"b filter=lfs\n" + b"**/" * 80 + b"*a*a*a*a*a*a*a*a*b filter=lfs\n"
    assert not Attributes(slow).is_lfs("/".join(["a" * 250] * 15))


@given(
    st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters='/\\"'), min_size=1, max_size=20)
)
def test_the_line_for_a_path_covers_it_and_not_its_neighbours(name: str) -> None:
    if name.strip() != name or any(character.isspace() and character != " " for character in name):
        return
    attributes = Attributes(lfs_line(f"d/{name}").encode())
    assert attributes.is_lfs(f"d/{name}")
    assert not attributes.is_lfs(f"d/{name}x")
    assert not attributes.is_lfs(f"e/d/{name}")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("globs")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".git" / "info" / "exclude").write_text("")
    return folder


PARTS = st.sampled_from(["a", "b", "ab", "*", "**", "?", "a*", "*b", "[ab]", "[^a]", "[!b]", "\\*", "a?b", "*.*"])
PATTERNS = st.builds(
    lambda head, parts, tail: head + "/".join(parts) + tail,
    st.sampled_from(["", "/", "!"]),
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
)
FILES = ["a", "b", "ab", "a/b", "a/b/a", "b/a/ab", "c.d", "a/c.d", "*", "axb", "b/b/b/b"]


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(PATTERNS, min_size=1, max_size=4))
def test_ignoring_agrees_with_git_check_ignore(work: Path, patterns: list[str]) -> None:
    text = "\n".join(patterns) + "\n"
    (work / ".gitignore").write_text(text)
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=work,
        input="\n".join(FILES),
        capture_output=True,
        text=True,
        check=False,
    )
    ignores = Ignores(text.encode())
    assert [path for path in FILES if ignores.is_ignored(path)] == done.stdout.splitlines()


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(PATTERNS, st.sampled_from(["filter=lfs", "-filter", "text", "filter=x"])), min_size=1, max_size=4
    )
)
def test_attributes_agree_with_git_check_attr(work: Path, rules: list[tuple[str, str]]) -> None:
    text = "".join(f"{pattern} {attribute}\n" for pattern, attribute in rules if not pattern.startswith("!"))
    (work / ".gitattributes").write_text(text)
    done = subprocess.run(
        ["git", "check-attr", "--stdin", "filter"],
        cwd=work,
        input="\n".join(FILES),
        capture_output=True,
        text=True,
        check=True,
    )
    lfs = [line.endswith(": filter: lfs") for line in done.stdout.splitlines()]
    attributes = Attributes(text.encode())
    assert [attributes.is_lfs(path) for path in FILES] == lfs
