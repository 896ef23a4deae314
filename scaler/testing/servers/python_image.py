"""An image with a shell and this Python, to build others from: what `python:3-slim` is where there is a registry."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from scaler.testing.servers.docker import BUSYBOX, DockerServer

# In /bin, as in an image of a distribution; busybox has them all.
_APPLETS = (
    "sh",
    "cat",
    "chmod",
    "chown",
    "cp",
    "echo",
    "env",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mv",
    "nc",
    "rm",
    "sleep",
    "test",
)
_LEFT_OUT = {"dist-packages", "idlelib", "site-packages", "test", "tests", "tkinter", "turtledemo"}
_DISTRIBUTION_WHEELS = Path("/usr/share/python-wheels")  # where Debian keeps what makes an environment


def make_python_image(engine: DockerServer, name: str, folder: Path) -> None:
    """Make an image `name` of busybox and the interpreter that runs this, with its libraries; no registry takes part.

    Everything has the path that it has here, so that it finds itself; nothing that is installed comes along.

    Args:
        engine: Gets the image.
        name: Its repository; the tag is `latest`.
        folder: Where the file system is put together.
    """
    archive = folder / "python-image.tar"
    interpreter = Path(sys.base_prefix) / "bin" / f"python{sysconfig.get_python_version()}"
    with tarfile.open(archive, "w") as tar:
        for directory, mode in (("tmp", 0o1777), ("etc", 0o755), ("bin", 0o755), ("var", 0o755)):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        tar.add(BUSYBOX, "bin/busybox")
        for applet in _APPLETS:
            _link(tar, f"bin/{applet}", "busybox")
        _link(tar, "bin/python3", str(interpreter))
        seen: set[Path] = set()
        for path in _files(interpreter):
            for parent in reversed(path.parents[:-1]):
                if parent not in seen and parent not in {Path("/bin"), Path("/etc")}:
                    seen.add(parent)
                    entry = tarfile.TarInfo(str(parent)[1:])
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(entry)
            tar.add(path.resolve(), str(path)[1:])
    with engine.client() as client:
        client.import_image_from_file(str(archive), repository=name, tag="latest", changes=["ENV PATH=/bin"])
    archive.unlink()


def _files(interpreter: Path) -> Iterator[Path]:
    yield interpreter
    library = Path(sysconfig.get_path("stdlib"))
    modules = [path for path in library.rglob("*") if not _LEFT_OUT & set(path.relative_to(library).parts)]
    # Static libraries, and the tests' data, are for building interpreters.
    yield from (path for path in modules if path.is_file() and path.suffix != ".a")
    if _DISTRIBUTION_WHEELS.is_dir():
        yield from _DISTRIBUTION_WHEELS.iterdir()
    installed = Path(sysconfig.get_path("purelib"))
    programs = [path for path in Path(sys.prefix, "bin").iterdir() if path.is_file() and _is_elf(path)]
    yield from _libraries(
        [interpreter, *programs, *(path for path in modules if path.suffix == ".so"), *installed.rglob("*.so")],
        installed,
    )


def _libraries(programs: Iterable[Path], installed: Path) -> Iterator[Path]:
    """Yield the shared libraries that these need, but for those that wheels bring."""
    found: set[Path] = set()
    listed = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        words = line.split()
        for word in words[:1] if "=>" not in words else words[2:3]:
            path = Path(word)
            if path.is_absolute() and path.exists() and not path.is_relative_to(installed):
                found.add(path)
    yield from sorted(found)


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)
