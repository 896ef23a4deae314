"""How long a request to an app at zero is held while the service is away."""

from __future__ import annotations

import itertools

from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2

from scaler.ingress.xds import http_filters
from scaler.model import Hold


def test_holds_are_asked_for_until_the_default_hold_would_be_over() -> None:
    hold = next(it for it in http_filters.http_filters() if it.name == http_filters.EXT_AUTHZ)
    asked = ext_authz_pb2.ExtAuthz()
    hold.typed_config.Unpack(asked)
    policy = asked.grpc_service.retry_policy
    first, longest = (
        bound.ToMilliseconds() / 1000
        for bound in (policy.retry_back_off.base_interval, policy.retry_back_off.max_interval)
    )
    bounds = (min(longest, first * (2.0**number - 1)) for number in itertools.count(1))
    # Envoy waits between nothing and the bound, each time anew.
    mean_s = sum(itertools.islice(bounds, policy.num_retries.value)) / 2

    assert mean_s >= Hold().timeout_s
