"""Who may come to an app (`ipSecurityRestrictions`) and cross-origin requests (`corsPolicy`), as Envoy's filters."""

from __future__ import annotations

import ipaddress
import re

from envoy.config.core.v3 import address_pb2
from envoy.config.rbac.v3 import rbac_pb2 as rules
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2

from scaler.model import AddressRestriction, CorsPolicy


def restriction(policy: AddressRestriction) -> rbac_pb2.RBACPerRoute:
    """Return who may come, by the address of the connection itself; others are answered 403.

    Raises:
        ValueError: A range is no network.
    """
    networks = [ipaddress.ip_network(each, strict=False) for each in policy.ranges]
    principals = [
        rules.Principal(
            direct_remote_ip=address_pb2.CidrRange(
                address_prefix=str(network.network_address), prefix_len={"value": network.prefixlen}
            )
        )
        for network in networks
    ]
    # Envoy wants a policy to name someone; without one, nobody matches.
    policies = {"ranges": rules.Policy(permissions=[rules.Permission(any=True)], principals=principals)}
    return rbac_pb2.RBACPerRoute(
        rbac=rbac_pb2.RBAC(
            rules=rules.RBAC(
                action=rules.RBAC.ALLOW if policy.allow else rules.RBAC.DENY, policies=policies if principals else {}
            )
        )
    )


def cross_origin(policy: CorsPolicy) -> cors_pb2.CorsPolicy:
    """Return what Envoy answers preflights with, and adds to answers. No preflight reaches the app, or wakes it."""
    answer = cors_pb2.CorsPolicy(
        allow_origin_string_match=[_origin(each) for each in policy.allowed_origins],
        allow_methods=", ".join(policy.allowed_methods),
        allow_headers=", ".join(policy.allowed_headers),
        expose_headers=", ".join(policy.expose_headers),
        max_age="" if policy.max_age_s is None else str(policy.max_age_s),
        forward_not_matching_preflights={"value": False},
    )
    if policy.allow_credentials:
        answer.allow_credentials.value = True
    return answer


def _origin(pattern: str) -> string_pb2.StringMatcher:
    if "*" not in pattern or pattern == "*":  # the filter itself knows a lone asterisk
        return string_pb2.StringMatcher(exact=pattern)
    regex = "[^/]*".join(re.escape(part) for part in pattern.split("*"))
    return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=regex))
