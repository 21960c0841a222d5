"""What the package promises by name and by example."""

import doctest
from importlib import import_module

import pytest

from ctera_insights import portal


def test_every_public_name_is_there():
    """Lazy names load, are sorted, and anything else is an AttributeError."""
    assert portal.__all__ == sorted(portal.__all__)
    for name in portal.__all__:
        assert getattr(portal, name).__name__ == name
    with pytest.raises(AttributeError, match="AsyncEdgeFiler"):
        _ = portal.AsyncEdgeFiler


@pytest.mark.parametrize("module", ["address", "retry"])
def test_examples_in_docstrings_hold(module):
    """The examples run as written."""
    failures, examples = doctest.testmod(import_module(f"ctera_insights.portal.{module}"))
    assert examples
    assert not failures
