from __future__ import annotations

import ntpath
import os
import re
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctera_insights.mirror.names import RECORD_NAME, distinct, local_path

paths = st.text(
    st.one_of(
        st.sampled_from("./\\:%~\0 aAE25CON"),
        st.characters(codec=None),
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Team/report.docx", "Team/report.docx"),
        ("/etc/passwd", "etc/passwd"),
        ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"),
        ("a/./b", "a/%2E/b"),
        ("a//b/", "a/b"),
        ("nul\0byte", "nul%00byte"),
        ("100%.txt", "100%.txt"),
        ("100%2E.txt", "100%252E.txt"),
        ("line\nbreak 🎉", "line\nbreak 🎉"),
        ("...", "..."),
        (".f.part", "%2Ef.part"),
        (".f.part.json", "%2Ef.part.json"),
        (RECORD_NAME, "%2E" + RECORD_NAME[1:]),
        (".gitignore", ".gitignore"),
        ("half \ud83d", "half %ED%A0%BD"),
        ("C:\\Windows", "C:\\Windows"),
    ],
)
def test_names_stay_where_they_can(path, expected):
    assert "/".join(local_path(path, portable=False)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("C:/Windows", "C%3A/Windows"),
        ("a\\..\\b", "a%5C..%5Cb"),
        ('what?*<>|".txt', "what%3F%2A%3C%3E%7C%22.txt"),
        ("CON", "%43ON"),
        ("nul.txt", "%6Eul.txt"),
        ("Com1.tar.gz", "%43om1.tar.gz"),
        ("console", "console"),
        ("dot.", "dot%2E"),
        ("space ", "space%20"),
        ("line\nbreak", "line%0Abreak"),
        ("stream.txt:secret", "stream.txt%3Asecret"),
    ],
)
def test_portable_names_suit_windows_too(path, expected):
    assert "/".join(local_path(path, portable=True)) == expected


def test_a_long_name_is_cut_and_stays_its_own():
    first, second = ("é" * 200 + end + ".docx" for end in "ab")
    names = [local_path(name)[0] for name in (first, second)]
    assert len(set(names)) == 2
    for name in names:
        assert len(name.encode()) <= 255
        assert re.fullmatch(r"é+~[0-9a-f]{16}\.docx", name)
    assert len(local_path("x." + "e" * 300)[0]) == 255


@pytest.mark.parametrize("path", ["", "/", "///"])
def test_a_path_without_names_is_refused(path):
    with pytest.raises(ValueError, match="no names"):
        local_path(path)


def is_reserved(name: str) -> bool:
    if hasattr(ntpath, "isreserved"):  # Python 3.13
        return ntpath.isreserved(name)
    return PureWindowsPath(name).is_reserved()


@given(paths, st.booleans())
@example("..", True)
@example("con .txt", True)
@example("CONOUT$", True)
@example("a/../../b", False)
def test_no_path_leaves_the_top(path, portable):
    try:
        names = local_path(path, portable=portable)
    except ValueError:
        return
    for name in names:
        assert name not in {"", ".", ".."}
        assert not set(name) & {"/", "\0"}
        assert len(os.fsencode(name)) <= 255
        assert not re.fullmatch(r"\..*\.part(\.json)?", name)
        if portable:
            windows = PureWindowsPath("D:\\top") / name
            assert windows.parent == PureWindowsPath("D:\\top")
            assert not is_reserved(name)
    assert PurePosixPath("/top").joinpath(*names).is_relative_to("/top")


@given(paths, paths, st.booleans())
@example("%00", "\0", False)
@example("%252E", "%2E", False)
@example("..", "%2E%2E", False)
@example("%2%3A", "%2:", True)
def test_different_paths_stay_different(one, other, portable):
    def parts(path: str) -> list[str]:
        return [part for part in path.split("/") if part]

    try:
        same = local_path(one, portable=portable) == local_path(other, portable=portable)
    except ValueError:
        return
    assert same == (parts(one) == parts(other))


def test_a_taken_name_gets_the_files_id():
    assert distinct("report.docx", 12) == "report~12.docx"
    assert distinct("README", 12) == "README~12"
    assert distinct(".profile", 12) == ".profile~12"
    assert len(distinct("é" * 127, 12).encode()) <= 255
