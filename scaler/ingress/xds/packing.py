"""Protobuf messages in the forms that Envoy's configuration nests: packed into `Any`, and durations."""

from __future__ import annotations

from typing import Any as Message

from google.protobuf import any_pb2, duration_pb2

_TYPES = "type.googleapis.com/"


def type_url(message: Message) -> str:
    """Return the name of a message's or message class's type, as `Any` and discovery spell it."""
    return _TYPES + str(message.DESCRIPTOR.full_name)


def serialized(message: Message) -> bytes:
    """Return a message's bytes: the same for equal messages, so that what did not change is seen not to have."""
    return bytes(message.SerializeToString(deterministic=True))


def packed(message: Message) -> any_pb2.Any:
    """Return a message as an `Any`."""
    return any_pb2.Any(type_url=type_url(message), value=serialized(message))


def duration(seconds: float) -> duration_pb2.Duration:
    """Return a duration, exact to the millisecond."""
    value = duration_pb2.Duration()
    value.FromMilliseconds(round(seconds * 1000))
    return value


def embedded(field: int, content: bytes) -> bytes:
    """Return serialized bytes as they stand in another message, in that (length-delimited) field.

    A message is the concatenation of its fields, so one made of a thousand parts is put together from parts that were
    serialized once. `field` is its number.
    """
    return bytes((field << 3 | 2,)) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value >= 1 << 7:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
