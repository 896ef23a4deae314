"""Any HTTP API that tells a number, in JSON, YAML, XML or Prometheus' text format, as an event source.

Connection:
    Triggers with the same server, credentials and certificates share one HTTP client with at most 4 connections
    (4 for each address with `aggregateFromKubeServiceEndpoints`); equal requests that come within 2 ms of each other
    are one. `url` may have a query and `user:password@`. `authModes` (or `authMode`) names who asks, several separated
    by commas (basic, bearer and oauth exclude each other):

    | authModes | parameters | what is sent |
    |---|---|---|
    | `basic` | `username`, `password` | `Authorization: Basic` |
    | `bearer` | `token` or `bearerToken` | `Authorization: Bearer` |
    | `apiKey` | `apiKey`, `method`, `keyParamName` | the header `X-API-KEY`, or the query's parameter `api_key` |
    | `custom` | `customAuthHeader`, `customAuthValue` | that header |
    | `tls` | `cert`, `key` | a client certificate |
    | `oauth` | `oauthTokenURI`, `clientID`, `clientSecret`, `scopes`, `endpointParams` | a token, fetched by client credentials, shared, renewed 10 s before it ends and after a 401 |

    `ca` is trusted besides the system's certificates. Redirects are not followed, as they would take credentials along.

Outages:
    A server that nobody can connect to, or that let a request time out and has answered nothing since, is lost: all its
    triggers are unknown at once, one loop tries again (50 ms doubling to 0.8 s, jittered; up to 10 s where the
    certificate is not trusted), and one log line tells of the loss and one of the return.
"""  # noqa: E501 - a table
