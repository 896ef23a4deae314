"""Whose a host name is."""

from __future__ import annotations

from scaler.ingress.xds.hosts import Hosts


def test_the_first_that_wants_a_name_has_it_until_it_goes() -> None:
    hosts = Hosts()
    assert hosts.claim("a", (), ("shop",)) == set()
    assert hosts.claim("b", (), ("shop",)) == set()
    assert hosts.owner("shop") == "a"
    assert hosts.claim("a", (), ()) == {"b"}
    assert hosts.owner("shop") == "b"
    assert hosts.release("b") == set()
    assert hosts.owner("shop") is None


def test_an_app_s_own_name_is_taken_back_from_whoever_had_it() -> None:
    hosts = Hosts()
    hosts.claim("thief", ("thief.localhost",), ("shop.localhost",))
    assert hosts.owner("shop.localhost") == "thief"
    assert hosts.claim("shop", ("shop.localhost",), ()) == {"thief"}
    assert hosts.owner("shop.localhost") == "shop"
    assert hosts.release("shop") == {"thief"}
    assert hosts.owner("shop.localhost") == "thief"


def test_putting_the_same_again_changes_nothing() -> None:
    hosts = Hosts()
    hosts.claim("a", ("a",), ("x",))
    assert hosts.claim("a", ("a",), ("x",)) == set()
    assert hosts.owner("x") == "a"
