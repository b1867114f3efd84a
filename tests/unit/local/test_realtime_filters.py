"""Filters and bindings of row changes, as clients write them."""

import pytest

from worker.local.realtime import bindings, filters
from worker.local.realtime.bindings import BindingError
from worker.local.realtime.filters import Filter, FilterError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ()),
        ("  ", ()),
        ("id=eq.1", (Filter("id", "eq", ("1",)),)),
        ("name=eq.", (Filter("name", "eq", ("",)),)),
        ("url=eq.https://a.b/c?d=e", (Filter("url", "eq", ("https://a.b/c?d=e",)),)),
        ("id=in.(1,2, 3)", (Filter("id", "in", ("1", "2", "3")),)),
        ("id=in.()", (Filter("id", "in", ()),)),
        ('name=in.("a,b","c\\"d")', (Filter("name", "in", ("a,b", 'c"d')),)),
        ('name=eq."a,b"', (Filter("name", "eq", ("a,b",)),)),
        ("id=in.(1,2),name=eq.x", (Filter("id", "in", ("1", "2")), Filter("name", "eq", ("x",)))),
    ],
)
def test_filters_are_read(text, expected):
    assert filters.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("id", '["id"]'),
        ("foo=gt.hey", '["foo", "gt.hey"]'),
        ("id=in.1", "`in` filter value must be wrapped by parentheses"),
        ("id=eq.1,", "filter must not contain empty segments (check for extra commas)"),
    ],
)
def test_what_is_no_filter_is_refused_in_the_servers_words(text, detail):
    with pytest.raises(FilterError) as raised:
        filters.parse(text)
    assert str(raised.value) == detail


def test_a_binding_without_schema_and_table_is_refused():
    with pytest.raises(BindingError, match="No subscription params provided"):
        bindings.parse({"event": "*"})


def test_a_wrong_filter_is_the_bindings_error():
    with pytest.raises(BindingError, match=r"^Error parsing `filter` params: \[\"id\"\]$"):
        bindings.parse({"schema": "public", "table": "t", "filter": "id"})


def test_a_binding_covers_what_its_wildcards_say():
    every_table = bindings.parse({"event": "insert", "schema": "public"})
    assert every_table.covers("public", "t")
    assert not every_table.covers("private", "t")
    assert every_table.wants("INSERT")
    assert not every_table.wants("UPDATE")
    everything = bindings.parse({"event": "whatever", "schema": "*", "table": "*"})
    assert everything.covers("private", "t")
    assert everything.wants("DELETE")


def test_the_reply_echoes_each_binding_with_an_id():
    wanted = {"event": "*", "schema": "public", "table": "t", "unknown": None}
    (echoed,) = bindings.echo([wanted])
    assert echoed == {**wanted, "id": echoed["id"]}
    assert 0 < echoed["id"] < 2**27


def test_equal_wishes_have_equal_ids_whatever_the_order_of_their_keys():
    one = {"event": "*", "schema": "public"}
    assert bindings.binding_id(one) == bindings.binding_id(dict(reversed(one.items())))
    assert bindings.binding_id(one) != bindings.binding_id({**one, "table": "t"})
