"""Parameters as papermill gives them: text by `-r`, numbers and words by `-p`, lists by `-y`."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from ctera_insights.errors import UsageError
from ctera_insights.pipeline import collect_portal
from ctera_insights.pipeline.parameters import _KINDS, collect_options


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        *(("cloud_folders", given, [7, 8]) for given in ("7,8", " 7 , 8 ", "[7, 8]", [7, 8], (7, 8))),
        *(("cloud_folders", given, [7, 8]) for given in (["7", "8"], [7.0, 8])),
        *(("cloud_folders", given, [7]) for given in (7, "7", 7.0, "[7]")),
        *(("cloud_folders", given, None) for given in ("", " ", None, "None", [])),
        *(("follow", given, True) for given in (True, "True", "true", "1", 1, "yes")),
        *(("follow", given, False) for given in (False, "False", "false", "0", 0, "", None, "None")),
        *(("seconds", given, 90.0) for given in (90, "90", 90.0, "90.0", " 9e1 ")),
        *(("seconds", given, None) for given in ("", None, "None")),
        *(("feed", given, None) for given in ("", "  ", None)),
        ("feed", " office ", "office"),
        ("feed", 7, "7"),
        ("ca_file", "/etc/ca.pem", "/etc/ca.pem"),
        ("resync", "True", True),
        ("verify", "False", False),
        ("allow_overlap", "no", False),
        ("context", "ServicesPortal", "ServicesPortal"),
    ],
)  # fmt: skip
def test_each_way_of_giving_a_value_means_the_same(name: str, given: object, read: object) -> None:
    assert collect_options(**{name: given}).get(name) == read


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("cloud_folders", "7;8"),
        ("cloud_folders", "finance"),
        ("cloud_folders", 7.5),
        ("cloud_folders", True),
        ("cloud_folders", "[7,"),
        ("follow", "perhaps"),
        ("seconds", 0),
        ("seconds", -1),
        ("seconds", "nan"),
        ("seconds", "1 h"),
        ("seconds", True),
        ("feed", ["a"]),
        ("context", "root"),
        ("password", "hunter2"),
        ("secconds", 5),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(name: str, given: object) -> None:
    """Nothing is guessed: a mistyped folder must not become all folders."""
    with pytest.raises(UsageError, match=name):
        collect_options(**{name: given})


def test_minutes_are_seconds() -> None:
    assert collect_options(minutes="1.5") == {"seconds": 90.0}
    with pytest.raises(UsageError, match="not both"):
        collect_options(minutes=1, seconds=60)


def test_all_parameters_of_the_call_can_be_given_but_what_is_no_plain_value() -> None:
    """A new option of `collect_portal` gets its parameter."""
    told: set[str] = set(inspect.signature(collect_portal).parameters)
    assert told - set(_KINDS) == {"password", "limits", "progress", "stop"}
    assert set(_KINDS) - told == {"minutes"}


def test_the_notebook_has_them_all() -> None:
    from pathlib import Path

    import nbformat

    path = Path(__file__).parents[2] / "notebooks" / "collect.ipynb"
    (cell,) = [c for c in nbformat.read(path, 4).cells if "parameters" in c.metadata.get("tags", [])]
    names: dict[str, Any] = {}
    exec(cell.source, names)
    assert set(_KINDS) - set(names) == {"enrich"}


@pytest.mark.parametrize("name", ["portal", "data"])
@pytest.mark.parametrize("nothing", ["", "  ", None])
def test_what_is_needed_cannot_be_empty(name: str, nothing: object) -> None:
    """Nor does a run begin without it, to end in an error that is none of ours."""
    with pytest.raises(UsageError, match=f"{name} is empty"):
        collect_options(**{name: nothing})
