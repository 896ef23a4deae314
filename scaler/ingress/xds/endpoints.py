"""Endpoints: where an app's replicas are, and which of them get no more requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from envoy.config.core.v3 import address_pb2, health_check_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2

from scaler.ingress.site import Backend

# Where nobody ever listens. While an app has no replica for new requests, this stands in for one: a request that was
# let go and lost its replica before it reached it is then refused a connection and tried again a little later, when
# there may be another replica, instead of failing at once for want of any.
NOWHERE = address_pb2.Address(pipe=address_pb2.Pipe(path="/dev/null/no-replica"))


def load_assignment(cluster: str, backends: Iterable[Backend]) -> Any:
    """Return the endpoints of a cluster; a draining one keeps the requests that it has."""
    backends = tuple(backends)
    endpoints = [
        endpoint_components_pb2.LbEndpoint(
            endpoint=endpoint_components_pb2.Endpoint(address=socket_address(each.endpoint.host, each.endpoint.port)),
            health_status=health_check_pb2.DRAINING if each.draining else health_check_pb2.HEALTHY,
        )
        for each in backends
    ]
    if all(each.draining for each in backends):
        nowhere = endpoint_components_pb2.Endpoint(address=NOWHERE)
        endpoints.append(endpoint_components_pb2.LbEndpoint(endpoint=nowhere, health_status=health_check_pb2.HEALTHY))
    return endpoint_pb2.ClusterLoadAssignment(
        cluster_name=cluster,
        endpoints=[endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=endpoints)],
    )


def socket_address(host: str, port: int) -> address_pb2.Address:
    """Return an IP address and a port as Envoy spells them."""
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address=host, port_value=port))
