"""Reads the API of a running service, for the commands that show something."""

from __future__ import annotations

import http.client
from difflib import get_close_matches
from urllib.parse import quote

from scaler.observability.api import WorkloadList
from scaler.observability.views import WorkloadView
from scaler.ports.errors import ScalerError


class ServiceNotReached(ScalerError):
    """No service answers at the address."""


class WorkloadNotFound(ScalerError):
    """The service has no workload of that name."""


class ApiClient:
    """Asks one service, by `HOST:PORT`."""

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def address(self) -> str:
        """Where it is asked, as HOST:PORT."""
        return self._address

    def listed(self) -> WorkloadList:
        """Return all workloads, and what is wrong with the service as a whole.

        Raises:
            ServiceNotReached: Nothing answers.
        """
        return WorkloadList.model_validate_json(self._get("/v1/workloads"))

    def workloads(self) -> list[WorkloadView]:
        """Return all workloads.

        Raises:
            ServiceNotReached: Nothing answers.
        """
        return self.listed().workloads

    def workload(self, name: str) -> WorkloadView:
        """Return one workload.

        Raises:
            ServiceNotReached: Nothing answers.
            WorkloadNotFound: There is no such workload.
        """
        try:
            return WorkloadView.model_validate_json(self._get(f"/v1/workloads/{quote(name, safe='')}"))
        except WorkloadNotFound:
            names = [workload.name for workload in self.workloads()]
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise WorkloadNotFound(f"no workload {name!r} ({hint}there are: {', '.join(names) or 'none'})") from None

    def _get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServiceNotReached(f"no service answers at {self._address}: {error}") from error
        finally:
            connection.close()
        if response.status == http.HTTPStatus.NOT_FOUND:
            raise WorkloadNotFound(f"the service at {self._address} has no such workload")
        if response.status != http.HTTPStatus.OK:
            raise ServiceNotReached(f"{self._address} answered {response.status}: is it a scaler?")
        return body
