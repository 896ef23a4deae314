"""The secrets of an app: looked up where they live, used by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from scaler.manifest.aca.documents import Configuration
from scaler.manifest.located import Path
from scaler.manifest.problems import NOTHING, Report, closest, describe, listed
from scaler.manifest.values import OutsideValues, ValueMissing

_SECRETS: Path = ("properties", "configuration", "secrets")


@dataclass
class AppSecrets:
    """An app's secrets by name; None for one whose value is missing, which has been reported."""

    report: Report
    values: dict[str, str | None] = field(repr=False)

    def use(self, path: Path, name: str | None) -> str | None:
        """Return the secret that is named at a path; None when it cannot be had, which was reported."""
        if name is None or self.report.is_broken(_SECRETS):
            return None
        if name not in self.values:
            expected = f"the name of a secret ({listed(self.values)})"
            meant = closest(name, self.values)
            # What is no near miss may be the secret itself.
            self.report.error(path, expected, found=None if meant else "an unknown name", hint=meant)
        return self.values.get(name)


def read_secrets(report: Report, configuration: Configuration, outside: OutsideValues) -> AppSecrets:
    """Return the app's secrets, looked up where they live."""
    secrets: dict[str, str | None] = {}
    for index, secret in enumerate(configuration.secrets or []):
        path: Path = (*_SECRETS, index)
        if secret.name is None:
            continue
        if secret.name in secrets:
            report.error((*path, "name"), "each secret once", found=f"{describe(secret.name)} a second time")
        secrets[secret.name] = None
        here: Path = (*path, "value")
        if secret.value is None:
            if report.document.get((*path, "keyVaultUrl")) is None:
                report.error(here, "a value", found=NOTHING, hint="such as ${env:NAME} or ${file:/path}")
            continue
        try:
            secrets[secret.name] = outside.resolve(secret.value.get_secret_value(), report.document.file)
        except ValueMissing as missing:
            secrets[secret.name] = outside.lacks(report, here, missing)
    return AppSecrets(report, secrets)
