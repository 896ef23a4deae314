"""The HTTP filters that a request passes: who may come, cross-origin preflights, the hold, the way to a replica.

All but the last are off until an app's virtual host configures them, so a hot app without such policies meets only the
router. Their order is the order of the answers: an address that may not come is refused before anything starts, and a
preflight is answered without waking the app.
"""

from __future__ import annotations

from envoy.config.core.v3 import backoff_pb2, base_pb2, config_source_pb2, grpc_service_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.type.matcher.v3 import string_pb2
from envoy.type.v3 import http_status_pb2

from scaler.ingress.xds.naming import HOLD_CLUSTER
from scaler.ingress.xds.packing import duration, packed

RBAC = "envoy.filters.http.rbac"
CORS = "envoy.filters.http.cors"
EXT_AUTHZ = "envoy.filters.http.ext_authz"
ROUTER = "envoy.filters.http.router"

# The holding service ends each hold by itself; this only bounds one that hangs without having died.
LONGEST_HOLD_S = 24 * 3600.0

# While the service is away, holds are asked for again. Envoy draws each back-off anew between zero and its bound, so
# that it waits for half of it on average: in all as long as a hold without a `hold.timeout` of its own.
_RETRIES = 500
_FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 1.0
# Envoy takes the longest back-off for the time-out of each try, too (1.40, Utility::convertCoreToRouteRetryPolicy), and
# would end every hold then. This header of the call overrules that; the router takes it off.
_TRY_TIMEOUT = "x-envoy-upstream-rq-per-try-timeout-ms"

# Request headers that the holding service reads, and so is told, beside method, path, host and addresses: each held
# request keeps a copy.
TOLD_HEADERS = ("accept", "user-agent")


def http_filters() -> list[hcm.HttpFilter]:
    """Return the chain, in order."""
    router = router_pb2.Router(suppress_envoy_headers=True)
    return [
        hcm.HttpFilter(name=RBAC, typed_config=packed(rbac_pb2.RBAC()), disabled=True),
        hcm.HttpFilter(name=CORS, typed_config=packed(cors_pb2.Cors()), disabled=True),
        hcm.HttpFilter(name=EXT_AUTHZ, typed_config=packed(_hold()), disabled=True),
        hcm.HttpFilter(name=ROUTER, typed_config=packed(router)),
    ]


def _hold() -> ext_authz_pb2.ExtAuthz:
    service = grpc_service_pb2.GrpcService(
        envoy_grpc=grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=HOLD_CLUSTER, skip_envoy_headers=True),
        timeout=duration(LONGEST_HOLD_S),
        initial_metadata=[base_pb2.HeaderValue(key=_TRY_TIMEOUT, value=str(round(LONGEST_HOLD_S * 1000)))],
        retry_policy=base_pb2.RetryPolicy(
            retry_on="connect-failure,refused-stream,reset,unavailable",
            num_retries={"value": _RETRIES},
            retry_back_off=backoff_pb2.BackoffStrategy(
                base_interval=duration(_FIRST_BACKOFF_S), max_interval=duration(LONGEST_BACKOFF_S)
            ),
        ),
    )
    return ext_authz_pb2.ExtAuthz(
        grpc_service=service,
        transport_api_version=config_source_pb2.ApiVersion.V3,
        failure_mode_allow=False,
        status_on_error=http_status_pb2.HttpStatus(code=http_status_pb2.ServiceUnavailable),
        allowed_headers={"patterns": [string_pb2.StringMatcher(exact=name) for name in TOLD_HEADERS]},
    )
