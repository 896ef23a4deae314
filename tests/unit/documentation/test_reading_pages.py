"""What is read of a page: commands with their output, saved files, links and anchors."""

from __future__ import annotations

import pytest

from scaler.testing.documentation import pages
from scaler.testing.documentation.console import matches

PAGE = """\
# A page

Save this as `a.yaml`:

```yaml
name: a
```

## What it *does*, in `code`

See [this](other.md#part-1) and `[no](link.md)` and [that](https://example.com/x).

```console
$ scaler validate a.yaml
a: 0 to 10 replicas
$ scaler simulate a.yaml \\
    --trace t.jsonl
$ cat > b <<'END'
text
END
$ scaler validate b  # exit code 2
b: wrong
```

```yaml
[not](a-link.md)
```

## What it *does*, in `code`
"""


def test_steps_are_files_and_commands_in_order() -> None:
    saved, *commands = pages.steps(PAGE)
    assert saved == pages.SavedFile(6, "a.yaml", "name: a\n")
    assert [command for command in commands if isinstance(command, pages.Command)] == [
        pages.Command(14, "scaler validate a.yaml", ("a: 0 to 10 replicas",)),
        pages.Command(16, "scaler simulate a.yaml \\\n    --trace t.jsonl"),
        pages.Command(18, "cat > b <<'END'\ntext\nEND"),
        pages.Command(21, "scaler validate b  # exit code 2", ("b: wrong",), exit_code=2),
    ]


def test_output_without_a_command_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="line 2"):
        list(pages.steps("```console\nmake test\n```\n"))


def test_links_are_those_of_prose() -> None:
    assert list(pages.links(PAGE)) == ["other.md#part-1"]


def test_anchors_are_those_that_a_forge_makes() -> None:
    assert pages.anchors(PAGE) == {"a-page", "what-it-does-in-code", "what-it-does-in-code-1"}


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        pytest.param((), "anything\n", True, id="nothing expected"),
        pytest.param(("a  c", "b"), "a c  \nb\n", True, id="blanks"),
        pytest.param((" a",), "a\n", False, id="no indentation"),
        pytest.param(("a", "b"), "a\nb\nc\n", False, id="more than expected"),
        pytest.param(("a ... s", "b"), "a 1.5 s\nb\n", True, id="within a line"),
        pytest.param(("a ... s", "b"), "a 1.5\ns\nb\n", False, id="not over lines"),
        pytest.param(("a", "...", "z"), "a\nb\nc\nz\n", True, id="lines"),
        pytest.param(("a", "...", "z"), "a\nz\n", True, id="no lines"),
        pytest.param(("a (b)",), "a b\n", False, id="no patterns"),
    ],
)
def test_output_is_compared(expected: tuple[str, ...], printed: str, *, same: bool) -> None:
    assert matches(expected, printed) is same
