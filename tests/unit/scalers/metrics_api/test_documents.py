"""What answers can hold: each format's own rules, and what somebody sends who means no good."""

from __future__ import annotations

import math

import pytest

from scaler.ports.errors import SourceRejected, SourceUnavailable
from scalers.metrics_api.documents import Format, series_of, value_in

XML = b"""<?xml version="1.0"?>
<stats xmlns="urn:x"><queue name="fax"><waiting>3</waiting></queue><queue><waiting> 100m </waiting></queue>
<total>7.5</total><empty/></stats>"""
YAML = b"""
a: &it {n: 4}
b: *it
list: [1, 2Ki, 0x10]
big: 99999999999999999999
flag: true
none: ~
1: 5
day: 2020-01-01
"""


@pytest.mark.parametrize(
    ("body", "format_", "location", "value"),
    [
        (b'{"a": 1, "a": 2}', Format.JSON, "a", 1),
        (b'{"a": 1e308}', Format.JSON, "a", 1e308),
        (b'{"a": -0.5}', Format.JSON, "a", -0.5),
        (b'{"a": 123456789012345678901234567890}', Format.JSON, "a", 123456789012345678901234567890.0),
        (b'{"a": " 2k "}', Format.JSON, "a", 2000),
        (b'{"x.y": 4}', Format.JSON, r"x\.y", 4),
        (b"[5, 6]", Format.JSON, "1", 6),
        (b"[5, 6]", Format.JSON, "#", 2),
        (XML, Format.XML, "stats.total", 7.5),
        (XML, Format.XML, "stats.queue.waiting", 3),
        (XML, Format.XML, "stats.queue.1.waiting", 0.1),
        (b"<n>-4</n>", Format.XML, "n", -4),
        (YAML, Format.YAML, "a.n", 4),
        (YAML, Format.YAML, "b.n", 4),
        (YAML, Format.YAML, "list.1", 2048),
        (YAML, Format.YAML, "list.2", 16),
        (YAML, Format.YAML, "big", 99999999999999999999.0),
        (YAML, Format.YAML, "1", 5),
        (b"m 1e308\n", Format.PROMETHEUS, "m", 1e308),
        (b"m -3 1700000000000\n", Format.PROMETHEUS, "m", -3),
        (b"# TYPE m counter\nm 3\r\n", Format.PROMETHEUS, "m", 3),
        (b"# TYPE h histogram\nh_count 3\n", Format.PROMETHEUS, "h_count", 3),
        (b"m_more 1\nm 3", Format.PROMETHEUS, "m", 3),
        (b'm{a="x\\"y"} 3', Format.PROMETHEUS, 'm{a="x\\"y"}', 3),
        (b"other is not ok at all {\nm 3\n", Format.PROMETHEUS, "m", 3),
    ],
)
def test_a_number_is_found(body: bytes, format_: Format, location: str, value: float) -> None:
    assert value_in(body, format_, location) == value


@pytest.mark.parametrize(
    ("body", "format_", "location"),
    [
        (b'{"a": true}', Format.JSON, "a"),
        (b'{"a": 5', Format.JSON, "a"),
        (b'{"a": 5} more', Format.JSON, "a"),
        (b'{"a": NaN}', Format.JSON, "a"),
        (b'{"a": "NaN"}', Format.JSON, "a"),
        (b'\xff\xfe{"a": 5}', Format.JSON, "a"),
        (b"", Format.JSON, "a"),
        (b'{"a": [1]}', Format.JSON, "a"),
        (b'{"a": 1}', Format.JSON, "a.#(("),
        (b'{"a": 1}', Format.JSON, "a|@nothing"),
        (b'{"a": [{"b": "x"}]}', Format.JSON, "a.#(b>1).b"),
        (b"[" * 500_000, Format.JSON, "a"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, Format.JSON, "a"),
        (XML, Format.XML, "stats"),
        (XML, Format.XML, "stats.empty"),
        (XML, Format.XML, "stats.queue.2.waiting"),
        (XML, Format.XML, "total"),
        (b"<a><b>5</a>", Format.XML, "a.b"),
        (b"", Format.XML, "a"),
        (b'<?xml version="1.0" encoding="no-such"?><a>5</a>', Format.XML, "a"),
        (b"<a>" * 200_000, Format.XML, "a"),
        (YAML, Format.YAML, "flag"),
        (YAML, Format.YAML, "none"),
        (YAML, Format.YAML, "day"),
        (YAML, Format.YAML, "list"),
        (YAML, Format.YAML, "list.3"),
        (YAML, Format.YAML, "list.-1"),
        (b"a: [", Format.YAML, "a"),
        (b"", Format.YAML, "a"),
        (b"a: 1\n---\na: 2\n", Format.YAML, "a"),
        (b"a: !!python/object/apply:os.getpid []\n", Format.YAML, "a"),
        (b"a: &a [*a]\n", Format.YAML, "a.0.0.0"),
        (b"a: " + b"9" * 5000, Format.YAML, "a"),
        (b"[" * 3000, Format.YAML, "a"),
        (b"\xff\xfe\xff", Format.YAML, "a"),
        (b"m three\n", Format.PROMETHEUS, "m"),
        (b'm{a="1" 3\n', Format.PROMETHEUS, "m"),
        (b"m{} \xff\n", Format.PROMETHEUS, "m"),
        (b"m_more 3\n", Format.PROMETHEUS, "m"),
        (b"<html>502 Bad Gateway</html>", Format.PROMETHEUS, "m"),
        (b"m " + b"9" * 5000, Format.PROMETHEUS, "n"),
    ],
)
def test_anything_else_is_rejected(body: bytes, format_: Format, location: str) -> None:
    with pytest.raises(SourceRejected):
        value_in(body, format_, location)


@pytest.mark.parametrize(
    ("body", "format_"),
    [
        (b'{"m": 1e400}', Format.JSON),
        (b'{"m": ' + b"9" * 5000 + b"}", Format.JSON),
        (b"m: .nan\n", Format.YAML),
        (b"m: -.inf\n", Format.YAML),
        (b"m NaN\n", Format.PROMETHEUS),
        (b"m +Inf\n", Format.PROMETHEUS),
    ],
)
def test_what_is_not_finite_is_unavailable(body: bytes, format_: Format) -> None:
    with pytest.raises(SourceUnavailable):
        value_in(body, format_, "m")


def test_bombs_of_aliases_and_entities_stay_small() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 30))
    merges = "".join(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}\n" for n in range(1, 30))
    yaml = f"l0: &l0 x\nm0: &m0 {{x: 1}}\n{levels}{merges}n: 3\n".encode()
    assert value_in(yaml, Format.YAML, "n") == 3
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))
    with pytest.raises(SourceRejected, match="document type"):
        value_in(f'<!DOCTYPE a [<!ENTITY e0 "x">{entities}]><a>&e29;</a>'.encode(), Format.XML, "a")
    with pytest.raises(SourceRejected, match="document type"):
        value_in(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>', Format.XML, "a")


@pytest.mark.parametrize("location", ["", "m{", "m{a=1}", 'm{a!="1"}', 'm{a=~"1"}', "m 5", "m 5 6", "a b", "# m", "5"])
def test_what_is_no_series_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="expected a series"):
        series_of(location)


def test_a_series_has_a_name_and_labels() -> None:
    assert series_of('m{a="1",b="x y"}').labels == {"a": "1", "b": "x y"}
    assert math.isclose(series_of("m").value, 0)
