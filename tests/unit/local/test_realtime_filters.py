"""Filters and bindings of row changes, as clients write them."""

from typing import Any

import pytest

from worker.local.realtime import bindings, filters
from worker.local.realtime.bindings import BindingError
from worker.local.realtime.filters import Filter, FilterError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ()),
        ("  ", ()),
        ("id=eq.1", (Filter("id", "eq", "1"),)),
        ("name=eq.", (Filter("name", "eq", ""),)),
        ("url=eq.https://a.b/c?d=e", (Filter("url", "eq", "https://a.b/c?d=e"),)),
        ("id=in.(1,2, 3)", (Filter("id", "in", "{1,2, 3}"),)),
        ("id=in.()", (Filter("id", "in", "{}"),)),
        ('name=in.("a,b","c\\"d")', (Filter("name", "in", '{"a,b","c\\"d"}'),)),
        ('name=eq."a,b"', (Filter("name", "eq", "a,b"),)),
        ('name=eq."say \\"a, b\\""', (Filter("name", "eq", 'say "a, b"'),)),
        ('name=eq."a"b', (Filter("name", "eq", '"a"b'),)),
        ("id=not.in.(1,2)", (Filter("id", "in", "{1,2}", negate=True),)),
        ("done=not.is.null", (Filter("done", "is", "null", negate=True),)),
        ("id=in.(1,2),name=eq.x", (Filter("id", "in", "{1,2}"), Filter("name", "eq", "x"))),
    ],
)
def test_filters_are_read(text: str | None, expected: tuple[Filter, ...]) -> None:
    assert filters.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("id", '["id"]'),
        ("foo=bar.hey", '["bar", "hey"]'),
        ("foo=eq", '["eq"]'),
        ("id=in.1", "`in` filter value must be wrapped by parentheses"),
        ("id=eq.1,", "filter must not contain empty segments (check for extra commas)"),
    ],
)
def test_what_is_no_filter_is_refused_in_the_servers_words(text: str, detail: str) -> None:
    with pytest.raises(FilterError) as raised:
        filters.parse(text)
    assert str(raised.value) == detail


def test_a_binding_without_schema_and_table_is_refused() -> None:
    with pytest.raises(BindingError, match="No subscription params provided"):
        bindings.parse({"event": "*"})


def test_a_wrong_filter_is_the_bindings_error() -> None:
    with pytest.raises(BindingError, match=r"^Error parsing `filter` params: \[\"id\"\]$"):
        bindings.parse({"schema": "public", "table": "t", "filter": "id"})


def test_a_keyword_that_is_none_never_reaches_a_statement() -> None:
    with pytest.raises(FilterError):
        _ = Filter("done", "is", "null) or (true").sql


def test_a_binding_without_a_table_is_for_all_and_an_unknown_event_is_any() -> None:
    everything = bindings.parse({"event": "whatever", "schema": "public"})
    assert (everything.schema, everything.table) == ("public", "*")
    assert everything.wants("DELETE")
    inserts = bindings.parse({"event": "insert", "table": "t"})
    assert (inserts.schema, inserts.table) == ("public", "t")
    assert inserts.wants("INSERT")
    assert not inserts.wants("UPDATE")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"schema": "public", "table": "t", "select": "a,b"}, "Error parsing `select` params"),
        ({"schema": "public", "select": ["a"]}, "Column selection is not supported for wildcard"),
    ],
)
def test_columns_are_a_list_and_of_one_table(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(BindingError, match=message):
        bindings.parse(wanted)


def test_the_reply_echoes_each_binding_with_an_id() -> None:
    wanted = {"event": "*", "schema": "public", "table": "t", "unknown": None}
    (echoed,) = bindings.echo([wanted])
    assert echoed == {**wanted, "id": echoed["id"]}
    assert 0 < echoed["id"] < 2**27


def test_equal_wishes_have_equal_ids_whatever_the_order_of_their_keys() -> None:
    one = {"event": "*", "schema": "public"}
    assert bindings.binding_id(one) == bindings.binding_id(dict(reversed(one.items())))
    assert bindings.binding_id(one) != bindings.binding_id({**one, "table": "t"})
