"""Cookies as load balancers, old servers and browsers have them."""

import pytest

from ctera_insights.portal.cookies import cookies


def read(*headers):
    """Names and values."""
    return {name: None if value is None else value.reveal() for name, value in cookies(headers).items()}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("JSESSIONID=AB12; Path=/; HttpOnly; Secure", {"JSESSIONID": "AB12"}),
        ('JSESSIONID="AB=/+c"; Path=/', {"JSESSIONID": '"AB=/+c"'}),
        ("BIGipServer/Common/pool=abc.def; path=/", {"BIGipServer/Common/pool": "abc.def"}),
        ('weird[1]={"a":1}; path=/', {"weird[1]": '{"a":1}'}),
        ("empty=; Path=/", {"empty": ""}),
        ("a=1; Expires=Thu, 32-Foo-2026 99:99:99 GMT", {"a": "1"}),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", {"a": None}),
        ("a=1; expires=Thu, 01-Jan-1970 00:00:01 GMT; max-age=60", {"a": "1"}),
        ("a=1; Expires=Thu, 01 Jan 2970 00:00:00 GMT", {"a": "1"}),
        ("a=; Max-Age=0", {"a": None}),
        ("a=; Max-Age=-1", {"a": None}),
        ("a=1; Max-Age=", {"a": "1"}),
        ("n\u00f6name=\u00e9; path=/", {}),
        ("name=a\x01b", {}),
        ("no value at all", {}),
        ("=nameless", {}),
        ("", {}),
        (";;;", {}),
    ],
)
def test_reads_what_can_be_sent_back(header, found):
    """Odd ones are taken as they are; what no request can carry is left out, and spoils nothing beside it."""
    assert read(header) == found
    assert read("JSESSIONID=1", header) == {"JSESSIONID": "1"} | found
