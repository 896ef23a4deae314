"""Images of the apps without a registry: this machine's interpreter, and the modules and libraries that they load."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from docker.utils import parse_repository_tag

from scaler.testing import http_app
from scaler.testing.servers.docker import DockerServer

# Prints the files of all that a script imports, and of what is only loaded when it runs.
_LIST = """
import encodings.ascii, encodings.idna, encodings.latin_1, encodings.utf_8, concurrent.futures.thread
import runpy, sys
runpy.run_path(sys.argv[1])
if "grpc" in sys.modules:
    import grpc._utilities
print(sys.base_prefix)
for module in list(sys.modules.values()):
    print(getattr(module, "__file__", None) or "")
"""


def load(server: DockerServer, name: str, script: Path = http_app.PLAIN, *, interpreter: str = "") -> None:
    """Make an image `name` in the engine whose default command is one of the apps, listening at every address.

    Args:
        server: The engine.
        name: The image's.
        script: Which app, or any program whose imports the image is to have.
        interpreter: A further path of the interpreter, such as `/bin/python3`.
    """
    repository, tag = parse_repository_tag(name)
    files, folders = _modules(script)
    start = [os.path.realpath(sys.executable), "-S", str(script)]
    with server.client() as client:
        client.import_image(
            src=_tar(files | _libraries(files), interpreter.lstrip("/")),
            repository=repository,
            tag=tag or "latest",
            changes=[f"CMD {json.dumps(start)}", "ENV HOST=0.0.0.0", f"ENV PYTHONPATH={':'.join(folders)}"],
        )


def _modules(script: Path) -> tuple[set[Path], list[str]]:
    """Return the files that a script needs, and the folders beside the library that they are found in."""
    options = ("-I", "-S") if script == http_app.PLAIN else ("-I",)
    listed = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, *options, "-c", _LIST, str(script)], check=True, capture_output=True, text=True
    )
    prefix, *names = listed.stdout.splitlines()
    files = {Path(name) for name in names if name}
    # By this one the interpreter recognizes its library.
    files |= {script, Path(os.path.realpath(sys.executable)), Path(os.__file__)}
    folders = {str(parent) for file in files for parent in file.parents if parent.name == "site-packages"}
    return files, sorted(folders - {prefix})


def _libraries(files: Iterable[Path]) -> set[Path]:
    programs = [str(file) for file in files if file.suffix == ".so" or not file.suffix or "python3" in file.name]
    listed = subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True)  # noqa: S603, S607
    return {Path(path) for path in re.findall(r"(?:=> |^\s+)(/\S+) \(", listed.stdout, flags=re.MULTILINE)}


def _tar(files: Iterable[Path], interpreter: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("tmp")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(entry)
        if interpreter:
            entry = tarfile.TarInfo(interpreter)
            entry.type, entry.linkname = tarfile.SYMTYPE, os.path.realpath(sys.executable)
            tar.addfile(entry)
        for file in sorted(files):
            # Under the same paths as here, so that everything is found again; links become what they lead to.
            content = file.read_bytes()
            entry = tarfile.TarInfo(str(file).lstrip("/"))
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
