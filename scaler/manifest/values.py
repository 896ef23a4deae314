"""Secret values that live outside the manifest: `${env:NAME}` and `${file:/path}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from scaler.manifest import located
from scaler.manifest.problems import Report
from scaler.manifest.regular_file import read_regular

# Larger than any credential or certificate chain; Kubernetes' limit for a whole Secret.
MAX_FILE_BYTES = 1024 * 1024
# Another machine, or the service's user, may have the file.
_ELSEWHERE = (FileNotFoundError, NotADirectoryError, PermissionError)
_REFERENCE = re.compile(r"\$\{(env|file):([^}]*)\}")


class Outside(Enum):
    """Whether what manifests refer to must be here: variables, files, and Kubernetes objects of foreign targets."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Unknown(str):
    """Stands for a value that is not here, but may be where the manifests are used."""

    __slots__ = ()


UNKNOWN = Unknown("unknown")


class ValueMissing(Exception):
    """A value that is not there; the parts are those of a problem, and hold no secret.

    `absent` names what may be there elsewhere; it is empty when the value is here and unusable.
    """

    def __init__(self, found: str, expected: str, hint: str = "", *, absent: str = "") -> None:
        self.found = found
        self.expected = expected
        self.hint = hint
        self.absent = absent
        super().__init__(found)


@dataclass
class OutsideValues:
    """The service's environment and its files.

    Attributes:
        environ: The service's environment.
        presence: Whether the rest must be here.
        files: Every file that was asked for, whether it was there or not; a change of one changes the manifests.
    """

    environ: Mapping[str, str]
    presence: Outside = Outside.REQUIRED
    files: set[Path] = field(default_factory=set)

    def resolve(self, text: str, manifest: str) -> str:
        """Return the value that a text refers to, or the text itself when it is no reference.

        Only a whole value is a reference. Relative paths start at the manifest's folder.

        Raises:
            ValueMissing: The variable or file is not there, or cannot be read.
        """
        match = _REFERENCE.fullmatch(text)
        if match is None:
            return text
        kind, name = match.groups()
        return self.variable(name) if kind == "env" else self.read(name, manifest).removesuffix("\n").removesuffix("\r")

    def lacks(self, report: Report, path: located.Path, missing: ValueMissing) -> Unknown | None:
        """Report a value that is not here; return what stands for it, None when it must be here."""
        if self.presence is Outside.OPTIONAL and missing.absent:
            report.unchecked(path, missing.expected, missing.absent, found=missing.found)
            return UNKNOWN
        report.error(path, missing.expected, found=missing.found, hint=missing.hint)
        return None

    def variable(self, name: str) -> str:
        """Return a variable of the service's environment.

        Raises:
            ValueMissing: It is not set.
        """
        if name not in self.environ:
            raise ValueMissing(
                "nothing",
                f"{name!r} in the service's environment",
                "set it before starting the service",
                absent="the variable",
            )
        return self.environ[name]

    def read(self, name: str, manifest: str) -> str:
        """Return a file's text.

        Raises:
            ValueMissing: It cannot be read, is too large or not UTF-8.
        """
        if not name or "\0" in name:
            raise ValueMissing("no path", "the path of a file")
        path = Path(manifest).parent / name
        self.files.add(path)
        try:
            content = read_regular(path, MAX_FILE_BYTES + 1)
        except OSError as error:
            absent = "the file" if isinstance(error, _ELSEWHERE) else ""
            expected = f"a readable file {str(path)!r}"
            raise ValueMissing(error.strerror or "an error", expected, absent=absent) from None
        if len(content) > MAX_FILE_BYTES:
            raise ValueMissing("a larger file", f"at most {MAX_FILE_BYTES} bytes in {str(path)!r}")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueMissing("bytes that are not UTF-8", f"UTF-8 text in {str(path)!r}") from None
