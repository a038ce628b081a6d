"""What a diff says, below the commands: texts in and out of order, limits, and meaning instead of bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconfigure.generations.difference import against, files
from reconfigure.generations.texts import RenderedText, StoredText, Text, pairs
from reconfigure.tiers import MapSpec


def _text(*lines: str) -> Text:
    content = "".join(f"{line}\n" for line in lines).encode()
    # In pieces of seven bytes, as a renderer's chunks do not end where lines do.
    return RenderedText(lambda: (content[start : start + 7] for start in range(0, len(content), 7)))


def test_texts_that_differ_in_nothing_are_not_named() -> None:
    assert files({"a": _text("x 1")}, {"a": _text("x 1")}, limit=9) == ()


def test_entries_are_compared_by_key() -> None:
    (found,) = files({"a": _text("# old", "b 1", "c 2", "d 3")}, {"a": _text("a 0", "b 1", "c 3")}, limit=9)
    entries = found.entries
    assert (found.kind, entries.gained, entries.lost, entries.changed) == ("changed", 1, 1, 1)
    assert [(change.old, change.new) for change in entries.listed] == [(None, "a 0"), ("c 2", "c 3"), ("d 3", None)]


def test_a_file_of_one_side_only_is_added_or_removed() -> None:
    added, removed = files({"b": _text("x 1")}, {"a": _text("y 1", "z 2")}, limit=1)
    assert (added.path, added.kind, added.entries.gained, len(added.entries.listed)) == ("a", "added", 2, 1)
    assert (removed.path, removed.kind, removed.entries.lost) == ("b", "removed", 1)


def test_a_change_of_comments_alone_has_no_entries() -> None:
    (found,) = files({"a": _text("# one", "x 1")}, {"a": _text("# two", "x 1")}, limit=9)
    assert found.entries.total == 0


def test_a_text_without_order_is_compared_as_a_bag_of_lines() -> None:
    (found,) = files({"a": _text("::1", "127.0.0.1", "b", "b")}, {"a": _text("b", "127.0.0.1", "c")}, limit=9)
    assert [(change.old, change.new) for change in found.entries.listed] == [("::1", None), ("b", None), (None, "c")]


lines = st.dictionaries(st.from_regex(r"[a-z0-9.-]{1,4}", fullmatch=True), st.sampled_from("12"), max_size=12)


@given(old=lines, new=lines, form=st.sampled_from(["{} {}", "{}: {}", "{}:{}", "{}\t{}"]), ordered=st.booleans())
def test_whatever_the_order_the_counts_are_those_of_the_sets(
    old: dict[str, str], new: dict[str, str], form: str, *, ordered: bool
) -> None:
    def written(entries: dict[str, str]) -> list[str]:
        made = [form.format(key, value) for key, value in sorted(entries.items())]
        return made if ordered else [*made[1::2], *made[::2]]

    before, after = written(old), written(new)
    found = files({"a": _text(*before)}, {"a": _text(*after)}, limit=99)
    listed = found[0].entries.listed if found else ()
    assert {change.old for change in listed if change.old} == set(before) - set(after)
    assert {change.new for change in listed if change.new} == set(after) - set(before)


def test_bytes_that_are_no_text_are_shown_as_escapes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x \xff\x1b\n")
    (found,) = files({}, {"a": StoredText(tmp_path / "a", "")}, limit=9)
    assert [change.new for change in found.entries.listed] == ["x \\xff\x1b"]


@pytest.mark.parametrize(
    ("line", "spec", "pair"),
    [
        ("To:Shop@acme.example.com \t RELAY", MapSpec(kind="hash"), ("to:shop@acme.example.com", "RELAY")),
        (
            "To:a@b.c ERROR:5.2.1:550   Address  suspended",
            MapSpec(kind="hash"),
            ("to:a@b.c", "ERROR:5.2.1:550 Address suspended"),
        ),
        ("Alice.Bob:alice ,  bob", MapSpec(kind="btree", separator=":"), ("alice.bob", "alice,bob")),
        ("example.com example.com:cabal:/key", None, ("example.com", "example.com:cabal:/key")),
        ("alice:x:2001:2001:A B:/home/alice:/bin/sh", None, ("alice", "x:2001:2001:A B:/home/alice:/bin/sh")),
        ("lonely", MapSpec(kind="hash"), ("lonely", "")),
        ("a|b", MapSpec(kind="hash", separator="|"), ("a", "b")),
    ],
)
def test_an_entry_is_read_as_its_map_reads_it(line: str, spec: MapSpec | None, pair: tuple[str, str]) -> None:
    assert list(pairs([line.encode()], spec)) == [pair]


def test_the_sign_of_a_whole_alias_database_is_no_entry() -> None:
    assert list(pairs([b"@: @\n", b"a: b\n"], MapSpec(kind="btree", separator=":"))) == [("a", "b")]


@pytest.fixture
def there(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(path: str, content: str) -> Path:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content)
        return tmp_path

    return write


def test_a_file_of_the_same_path_is_preferred_to_one_of_the_same_name(there: Callable[[str, str], Path]) -> None:
    there("access", "x 1\n")
    folder = there("mail/access", "x 2\n")
    compared, missing = against({"mail/access": _text("x 2"), "mail/other": _text()}, folder, maps={}, limit=9)
    assert [(file.there, file.entries.total) for file in compared] == [(folder / "mail" / "access", 0)]
    assert missing == ("mail/other",)


def test_a_folder_of_the_files_name_is_not_the_file(there: Callable[[str, str], Path]) -> None:
    folder = there("access/x", "")
    assert against({"mail/access": _text("x 2")}, folder, maps={}, limit=9) == ((), ("mail/access",))
