"""The service's folder of certificates, as far as manifests name what is in it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from scaler import certificates
from scaler.manifest import located
from scaler.manifest.problems import Report
from scaler.manifest.values import Outside


@dataclass
class Certificates:
    """The pairs `NAME.crt` and `NAME.key` of one folder.

    Attributes:
        folder: None when it is not known; nothing is checked then.
        presence: Whether a pair must be there.
        files: Every file that was asked for, and those of the default pair; a change of one may change what is wrong.
    """

    folder: Path | None = None
    presence: Outside = Outside.REQUIRED
    files: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.folder is not None:
            self.files.update(certificates.pair(self.folder, certificates.DEFAULT))

    def check(self, report: Report, path: located.Path, name: str) -> None:
        """Report a pair that is missing or cannot be used, at the path where a manifest names it."""
        if self.folder is None:
            return
        pair = certificates.pair(self.folder, name)
        self.files.update(pair)
        missing = [file for file in pair if not os.access(file, os.R_OK)]
        if missing:
            expected = f"a readable file {str(missing[0])!r}"
            if self.presence is Outside.OPTIONAL:
                report.unchecked(path, expected, "the file")
            else:
                report.error(path, expected, hint="certificateId ends with the name of a pair NAME.crt and NAME.key")
            return
        try:
            certificates.check(pair)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or "not usable"
            expected = f"a certificate and its key, both PEM and without a password, in {str(pair[0])!r} and .key"
            report.error(path, expected, hint=f"OpenSSL says {str(reason).lower().replace('_', ' ')}")
