"""`configuration.ingress`: every field, good, bad and at its boundary."""

from __future__ import annotations

from typing import Any

import pytest

from scaler.manifest import Outside
from scaler.model import (
    AddressRestriction,
    App,
    CorsPolicy,
    CustomDomain,
    Hold,
    Ingress,
    Transport,
    WakeExclusion,
)
from scalers.http.requests import HttpScaler

FULL = """{
    external: true, targetPort: 8080, transport: HTTP2, allowInsecure: true,
    customDomains: [
      {name: Shop.Example.com, bindingType: sniEnabled,
       certificateId: /subscriptions/a/resourceGroups/b/providers/Microsoft.App/managedEnvironments/e/certificates/c1},
      {name: plain.example.com, bindingType: Disabled}, {name: localhost, certificateId: local_1.2}],
    ipSecurityRestrictions: [
      {name: office, description: who sits there, ipAddressRange: 192.0.2.0/24, action: allow},
      {name: one, ipAddressRange: 198.51.100.7, action: Allow},
      {name: six, ipAddressRange: '2001:db8::/32', action: Allow}],
    corsPolicy: {allowedOrigins: ['https://App.example.com', 'https://*.example.org:8443'], allowedMethods: [get, '*'],
      allowedHeaders: ['*', X-Id], exposeHeaders: [ETag], maxAge: 600, allowCredentials: true},
    stickySessions: {affinity: none}, traffic: [{latestRevision: true, weight: 100}], clientCertificateMode: Ignore,
    targetPortHttpScheme: http, exposedPort: 0, additionalPortMappings: [],
    requestTimeout: 12.5,
    hold: {maxRequests: 5000, timeout: 30, waitingPage: page.html,
      exclude: [{pathPrefix: /healthz}, {userAgent: bot, status: 404}, {pathPrefix: /x, userAgent: curl, status: 200}]}}
"""


@pytest.fixture
def loader(manifests: Any) -> Any:
    manifests.scalers |= {"http": HttpScaler}
    return manifests


def written(loader: Any, ingress: str, name: str = "web", **parts: str) -> str:
    text: str = loader.app("{}", configuration=f"{{ingress: {ingress}}}", name=name, **parts)
    return text


def read(loader: Any, fields: str = "", **parts: str) -> Ingress:
    """Return the ingress of an app with a target port and the given fields."""
    app = loader.one(written(loader, f"{{targetPort: 80, {fields}}}", **parts)).target
    assert isinstance(app, App)
    assert app.ingress is not None
    return app.ingress


def lines(loader: Any, fields: str, **parts: str) -> list[str]:
    """Return the problems, from the path on, without the part of it that all have in common."""
    told = loader.lines(written(loader, f"{{targetPort: 80, {fields}}}", **parts))
    return [line.split(": ", 1)[1].removeprefix("properties.configuration.ingress").removeprefix(".") for line in told]


def says(line: str, problem: str) -> bool:
    """Whether a line begins like that; quotes stand around texts."""
    return line.replace("'", "").startswith(problem.replace("'", ""))


def test_an_ingress_is_what_its_manifest_says(loader: Any) -> None:
    (loader.folder / "page.html").write_text("<p>soon</p>\n")
    app = loader.one(written(loader, FULL)).target
    assert isinstance(app, App)
    assert app.ingress == Ingress(
        target_port=8080,
        external=True,
        transport=Transport.HTTP2,
        allow_insecure=True,
        custom_domains=(
            CustomDomain("shop.example.com", "c1"),
            CustomDomain("plain.example.com"),
            CustomDomain("localhost", "local_1.2"),
        ),
        restriction=AddressRestriction(allow=True, ranges=("192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32")),
        cors=CorsPolicy(
            ("https://app.example.com", "https://*.example.org:8443"),
            ("GET", "*"),
            ("*", "X-Id"),
            ("ETag",),
            600,
            allow_credentials=True,
        ),
        request_timeout_s=12.5,
        hold=Hold(
            5000,
            30,
            "<p>soon</p>\n",
            (WakeExclusion("/healthz"), WakeExclusion(None, "bot", 404), WakeExclusion("/x", "curl", 200)),
        ),
    )


def test_a_target_port_is_enough(loader: Any) -> None:
    assert read(loader) == Ingress(target_port=80)
    assert (Ingress(80).request_timeout_s, Ingress(80).hold) == (240, Hold(1000, 240))


def test_no_ingress_is_none(loader: Any) -> None:
    for configuration in ("{}", "{ingress: null}"):
        app = loader.one(loader.app(configuration=configuration)).target
        assert isinstance(app, App)
        assert app.ingress is None


def test_what_azure_exports_is_read(loader: Any) -> None:
    """As `az containerapp show` prints it for an app with plain HTTP ingress."""
    exported = (
        "{external: false, targetPort: 80, exposedPort: 0, transport: Auto, allowInsecure: false, fqdn: web.example, "
        "traffic: [{weight: 100, latestRevision: true}], additionalPortMappings: null, clientCertificateMode: null, "
        "corsPolicy: null, customDomains: null, ipSecurityRestrictions: null, stickySessions: null, "
        "targetPortHttpScheme: null}"
    )
    loaded = loader.load(written(loader, exported))
    assert loaded.workloads[0].target.ingress == Ingress(target_port=80)
    (warning,) = loaded.warnings
    assert (warning.path, "read-only" in warning.hint) == ("properties.configuration.ingress.fqdn", True)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("external: maybe", "external: found maybe, expected true or false"),
        ("allowInsecure: 1", "allowInsecure: found 1, expected true or false"),
        ("transport: grpc", "transport: found grpc, expected one of auto, http, http2, tcp"),
        ("transport: TCP", "transport: found TCP, expected auto, http or http2 (TCP is not supported yet)"),
        (
            "stickySessions: {affinity: Sticky}",
            "stickySessions.affinity: found Sticky, expected none (sticky sessions are not supported yet)",
        ),
        ("stickySessions: {affinity: stick}", "stickySessions.affinity: found stick, expected one of none, sticky"),
        (
            "clientCertificateMode: require",
            "clientCertificateMode: found require, expected ignore (clients' certificates are not supported yet)",
        ),
        (
            "clientCertificateMode: Accept",
            "clientCertificateMode: found Accept, expected ignore (clients' certificates are not supported yet)",
        ),
        ("targetPortHttpScheme: https", "targetPortHttpScheme: found https, expected http"),
        ("exposedPort: 9000", "exposedPort: found the field, expected the field to be absent (ports for TCP are not"),
        (
            "additionalPortMappings: [{external: false, targetPort: 1}]",
            "additionalPortMappings: found the field, expected the field to be absent (ports for TCP are not",
        ),
        ("trafic: []", "trafic: found an unknown field, expected one of "),
        ("requestTimeout: -1", "requestTimeout: found -1, expected greater than or equal to 0"),
        ("requestTimeout: 86401", "requestTimeout: found 86401, expected less than or equal to 86400"),
        ("requestTimeout: 4m", "requestTimeout: found 4m, expected a number"),
        ("hold: {maxRequests: 0}", "hold.maxRequests: found 0, expected greater than or equal to 1"),
        ("hold: {maxRequests: 1000001}", "hold.maxRequests: found 1000001, expected less than or equal to 1000000"),
        ("hold: {maxRequests: 1.5}", "hold.maxRequests: found 1.5, expected an integer"),
        ("hold: {timeout: 0}", "hold.timeout: found 0, expected greater than 0"),
        ("hold: {timeout: 3601}", "hold.timeout: found 3601, expected less than or equal to 3600"),
        ("hold: {maxRequest: 5}", "hold.maxRequest: found an unknown field"),
        ("hold: {exclude: [{}]}", "hold.exclude[0]: found neither, expected pathPrefix, userAgent or both"),
        ("hold: {exclude: [{status: 404}]}", "hold.exclude[0]: found neither, expected pathPrefix, userAgent or both"),
        (
            "hold: {exclude: [{pathPrefix: healthz}]}",
            "hold.exclude[0].pathPrefix: found healthz, expected a path that begins with /",
        ),
        ("hold: {exclude: [{pathPrefix: '/a?b'}]}", "hold.exclude[0].pathPrefix: found '/a?b', expected a path that"),
        ("hold: {exclude: [{userAgent: ' '}]}", "hold.exclude[0].userAgent: found ' ', expected a part of a User-Ag"),
        ("hold: {exclude: [{pathPrefix: /, status: 199}]}", "hold.exclude[0].status: found 199, expected greater"),
        ("hold: {exclude: [{pathPrefix: /, status: 600}]}", "hold.exclude[0].status: found 600, expected less than"),
    ],
)
def test_what_cannot_be_used_is_told_by_name(loader: Any, fields: str, problem: str) -> None:
    (line,) = lines(loader, fields)
    assert says(line, problem)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "8080.5"])
def test_a_port_is_a_port(loader: Any, port: str) -> None:
    (problem,) = loader.problems(written(loader, f"{{targetPort: {port}}}"))
    assert problem.path == "properties.configuration.ingress.targetPort"


@pytest.mark.parametrize("port", ["1", "65535", "'8080'"])
def test_the_first_and_the_last_port_are_ports(loader: Any, port: str) -> None:
    loader.load(written(loader, f"{{targetPort: {port}}}"))


def test_a_port_is_needed_and_its_lack_is_the_only_problem(loader: Any) -> None:
    """The default rule is not told that there is no ingress."""
    for ingress in ("{}", "{external: true}", "5", "[]"):
        (problem,) = loader.problems(written(loader, ingress))
        assert problem.path.startswith("properties.configuration.ingress")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("requestTimeout: 0", Ingress(80, request_timeout_s=0)),
        ("requestTimeout: 86400", Ingress(80, request_timeout_s=86400)),
        ("hold: {maxRequests: 1}", Ingress(80, hold=Hold(max_requests=1))),
        ("hold: {maxRequests: 1000000}", Ingress(80, hold=Hold(max_requests=1_000_000))),
        ("hold: {timeout: 0.5}", Ingress(80, hold=Hold(timeout_s=0.5))),
        ("hold: {timeout: 3600}", Ingress(80, hold=Hold(timeout_s=3600))),
        ("hold: {}", Ingress(80)),
        ("hold: {exclude: []}", Ingress(80)),
        ("hold: {exclude: [{pathPrefix: /}]}", Ingress(80, hold=Hold(exclusions=(WakeExclusion("/"),)))),
        ("ipSecurityRestrictions: []", Ingress(80)),
        ("customDomains: []", Ingress(80)),
        ("traffic: []", Ingress(80)),
        ("stickySessions: {}", Ingress(80)),
        ("transport: auto", Ingress(80)),
        ("transport: Http", Ingress(80, transport=Transport.HTTP)),
    ],
)
def test_boundaries_are_accepted(loader: Any, field: str, expected: Ingress) -> None:
    assert read(loader, field) == expected


@pytest.mark.parametrize(
    "traffic",
    [
        "[{latestRevision: true, weight: 100}]",
        "[{latestRevision: true, weight: 100, label: ''}, {revisionName: web--old, weight: 0}]",
        "[{revisionName: web--old, weight: 0}, {latestRevision: true, weight: '100'}]",
        "[{revisionName: web--v2, weight: 100}]",
        "[{latestRevision: true, weight: 60}, {revisionName: web--v2, weight: 40}]",
    ],
)
def test_all_traffic_to_the_latest_revision_is_what_there_is(loader: Any, traffic: str) -> None:
    read(loader, f"traffic: {traffic}", template="revisionSuffix: v2")


@pytest.mark.parametrize(
    ("traffic", "problems"),
    [
        (
            "[{latestRevision: true, weight: 80}, {revisionName: web--v1, weight: 20}]",
            ["traffic[1]: found 20 % for the revision 'web--v1', expected latestRevision: true (traffic of other"],
        ),
        ("[{revisionName: web--v2, weight: 100}]", ["traffic[0]: found 100 % for the revision 'web--v2', expected"]),
        ("[{weight: 100}]", ["traffic[0]: found 100 % for no revision, expected latestRevision: true"]),
        ("[{latestRevision: true}]", ["traffic: found a sum of 0, expected weights that sum up to 100"]),
        ("[{latestRevision: true, weight: 99}]", ["traffic: found a sum of 99, expected weights that sum up to 100"]),
        ("[{latestRevision: true, weight: 101}]", ["traffic[0].weight: found 101, expected less than or equal to 100"]),
        (
            "[{latestRevision: true, revisionName: web--v1, weight: 100}]",
            ["traffic[0]: found both, expected either revisionName or latestRevision: true"],
        ),
        (
            "[{latestRevision: true, weight: 100, label: blue}]",
            ["traffic[0].label: found the field, expected the field to be absent (addresses of revisions are not"],
        ),
    ],
)
def test_other_traffic_is_refused_by_name(loader: Any, traffic: str, problems: list[str]) -> None:
    told = lines(loader, f"traffic: {traffic}")
    assert len(told) == len(problems)
    for line, problem in zip(told, problems, strict=True):
        assert line.replace("found 20 % for the revision web", "found 20 % for the revision 'web").startswith(
            problem[:20]
        )


def test_restrictions_all_allow_or_all_deny(loader: Any) -> None:
    denied = read(loader, "ipSecurityRestrictions: [{name: a, ipAddressRange: 10.1.2.3, action: DENY}]")
    assert denied.restriction == AddressRestriction(allow=False, ranges=("10.1.2.3/32",))
    rules = "{name: a, ipAddressRange: 10.0.0.0/8, action: Allow}, {name: b, ipAddressRange: 11.0.0.0/8, action: Deny}"
    (line,) = lines(loader, f"ipSecurityRestrictions: [{rules}]")
    assert says(line, "ipSecurityRestrictions[1].action: found Deny, expected the action of the first rule: all")


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0", "example.com", "'fe80::1%eth0'", "'1.2.3.4:80'", "'::/129'"])
def test_a_range_is_an_address_or_a_network(loader: Any, text: str) -> None:
    (line,) = lines(loader, f"ipSecurityRestrictions: [{{name: a, ipAddressRange: {text}, action: Allow}}]")
    assert line.startswith("ipSecurityRestrictions[0].ipAddressRange: found ")
    assert line.endswith("expected an address or a network, such as 10.0.0.0/8")


@pytest.mark.parametrize("text", ["0.0.0.0/0", "10.0.0.1/32", "'::/0'", "'::1'", "255.255.255.255"])
def test_the_widest_and_the_narrowest_range_are_ranges(loader: Any, text: str) -> None:
    ingress = read(loader, f"ipSecurityRestrictions: [{{name: a, ipAddressRange: {text}, action: Allow}}]")
    assert ingress.restriction is not None


def test_a_range_with_bits_of_a_host_is_its_network_with_a_warning(loader: Any) -> None:
    text = "{targetPort: 80, ipSecurityRestrictions: [{name: a, ipAddressRange: 192.168.1.1/16, action: Allow}]}"
    loaded = loader.load(written(loader, text))
    assert loaded.workloads[0].target.ingress.restriction.ranges == ("192.168.0.0/16",)
    assert [warning.hint for warning in loaded.warnings] == ["taken for 192.168.0.0/16"]


def test_a_restriction_needs_its_three_parts(loader: Any) -> None:
    told = lines(loader, "ipSecurityRestrictions: [{}]")
    assert [line.split(": found nothing")[0].rpartition(".")[2] for line in told] == [
        "name",
        "ipAddressRange",
        "action",
    ]


@pytest.mark.parametrize(
    "origin",
    ["'*'", "https://a.example", "http://localhost:3000", "'https://*.example.com'", "'null'", "'http://[::1]:80'"],
)
def test_an_origin_is_a_scheme_and_a_host_or_a_wildcard(loader: Any, origin: str) -> None:
    cors = read(loader, f"corsPolicy: {{allowedOrigins: [{origin}]}}").cors
    assert cors == CorsPolicy((origin.strip("'"),))


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("{}", "corsPolicy.allowedOrigins: found nothing, expected a list of origins"),
        ("{allowedOrigins: []}", "corsPolicy.allowedOrigins: found an empty list, expected at least one origin"),
        ("{allowedOrigins: [a.example]}", "corsPolicy.allowedOrigins[0]: found a.example, expected an origin such as"),
        ("{allowedOrigins: ['https://a.example/']}", "corsPolicy.allowedOrigins[0]: found"),
        ("{allowedOrigins: ['https://a.*.example']}", "corsPolicy.allowedOrigins[0]: found"),
        ("{allowedOrigins: ['*.example.com']}", "corsPolicy.allowedOrigins[0]: found"),
        ("{allowedOrigins: ['*'], allowedMethods: ['GET, POST']}", "corsPolicy.allowedMethods[0]: found"),
        ("{allowedOrigins: ['*'], allowedHeaders: ['a b']}", "corsPolicy.allowedHeaders[0]: found"),
        ("{allowedOrigins: ['*'], exposeHeaders: ['']}", "corsPolicy.exposeHeaders[0]: found"),
        ("{allowedOrigins: ['*'], maxAge: -1}", "corsPolicy.maxAge: found -1, expected greater than or equal to 0"),
        ("{allowedOrigins: ['*'], maxAge: 1h}", "corsPolicy.maxAge: found 1h, expected an integer"),
        (
            "{allowedOrigins: ['*'], allowCredentials: 2}",
            "corsPolicy.allowCredentials: found 2, expected true",
        ),
    ],
)
def test_a_policy_for_origins_that_means_nothing_is_told(loader: Any, policy: str, problem: str) -> None:
    (line,) = lines(loader, f"corsPolicy: {policy}")
    assert says(line, problem)


def test_credentials_for_all_origins_are_warned_about(loader: Any) -> None:
    text = "{targetPort: 80, corsPolicy: {allowedOrigins: ['*'], allowCredentials: true, maxAge: 0}}"
    loaded = loader.load(written(loader, text))
    assert loaded.workloads[0].target.ingress.cors == CorsPolicy(("*",), max_age_s=0, allow_credentials=True)
    assert [warning.path for warning in loaded.warnings] == [
        "properties.configuration.ingress.corsPolicy.allowCredentials"
    ]


@pytest.mark.parametrize(("text", "page"), [("true", ""), ("Yes", ""), ("false", None), ("null", None)])
def test_the_waiting_page_is_off_or_the_default_one(loader: Any, text: str, page: str | None) -> None:
    assert read(loader, f"hold: {{waitingPage: {text}}}").hold.waiting_page == page


def test_the_file_of_a_waiting_page_is_watched(loader: Any) -> None:
    (loader.folder / "page.html").write_text("<p>soon</p>")
    loaded = loader.load(written(loader, "{targetPort: 80, hold: {waitingPage: page.html}}"))
    assert loader.folder / "page.html" in loaded.files
    assert "soon" not in repr(loaded.workloads)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "found No such file or directory, expected a readable file"),
        (b" \n", "found an empty file, expected a page with something on it"),
        (b"\xff", "found bytes that are not UTF-8, expected UTF-8 text"),
        (b"x" * (256 * 1024 + 1), "found a file of 262145 bytes, expected a page of at most 262144 bytes"),
    ],
)
def test_a_page_that_cannot_be_shown_is_told(loader: Any, content: bytes | None, problem: str) -> None:
    if content is not None:
        (loader.folder / "page.html").write_bytes(content)
    (line,) = lines(loader, "hold: {waitingPage: page.html}")
    assert line.startswith(f"hold.waitingPage: {problem}")


def test_the_largest_page_is_shown(loader: Any) -> None:
    (loader.folder / "page.html").write_bytes(b"x" * (256 * 1024))
    assert len(read(loader, "hold: {waitingPage: page.html}").hold.waiting_page or "") == 256 * 1024


def test_a_page_that_is_elsewhere_is_a_warning_where_manifests_are_only_looked_at(loader: Any) -> None:
    text = written(loader, "{targetPort: 80, hold: {waitingPage: page.html}}")
    loaded = loader.load(text, outside=Outside.OPTIONAL)
    assert loaded.workloads[0].target.ingress.hold.waiting_page == ""
    assert "not checked" in loaded.warnings[0].hint
