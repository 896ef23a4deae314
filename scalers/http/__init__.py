"""Requests to the app itself, as the ingress counts them: `http`.

Connection:
    None. The ingress tells what it holds and what its proxies have in flight: the held ones at every moment, those of
    proxies as of their latest report (every 250 ms). Only the trigger's own app is counted, so the app needs
    `properties.configuration.ingress`; any other target is refused with the manifest.

    Authentication parameters: none.

Outages:
    While an app has replicas and a proxy has not told yet what it has in flight, the number is unknown: the count does
    not go down, and other triggers go on. That time then counts for nothing in the windows.
    An app without replicas needs no proxy's word: all that it has is held.
"""
