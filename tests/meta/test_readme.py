"""Every console session and every Python example of the README is run, and prints what it says.

The sessions of one document run in order in one empty folder. In expected output a line that is
only `...` stands for any number of lines, and `...` inside a line for any text.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a session may run: the guard, and a few commands that only show or write files.
COMMANDS = {"egress-guard", "mcp-egress-guard", "cat", "echo", "ls", "mkdir", "printf"}


@dataclass(frozen=True)
class Step:
    """One `$ ` line with the output that the README promises."""

    line: int
    command: str
    expected: str


def blocks(text: str, language: str) -> Iterator[tuple[int, str]]:
    for found in FENCE.finditer(text):
        if found[1] == language:
            yield text.count("\n", 0, found.start(2)) + 1, found[2]


def steps(text: str) -> Iterator[Step]:
    for first, block in blocks(text, "console"):
        step: Step | None = None
        for number, line in enumerate(block.splitlines(), first):
            if line.startswith("$ "):
                if step:
                    yield step
                step = Step(number, line[2:], "")
            elif step and not step.expected and line.startswith("> "):
                step = Step(step.line, f"{step.command}\n{line[2:]}", "")
            else:
                assert step, f"line {number}: a console block begins with a `$ ` line"
                step = Step(step.line, step.command, step.expected + line + "\n")
        if step:
            yield step


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` is `expected`, blanks at line ends aside."""
    lines = []
    for line in expected.splitlines():
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*?".join(map(re.escape, line.rstrip().split("..."))) + "\n")
    tidy = "".join(line.rstrip() + "\n" for line in printed.splitlines())
    return re.fullmatch("".join(lines), tidy) is not None


@pytest.fixture
def readme(root: Path) -> str:
    return (root / "README.md").read_text()


def test_the_console_sessions_print_what_the_readme_says(readme: str, tmp_path: Path) -> None:
    scripts = sysconfig.get_path("scripts")
    environment = os.environ | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    session = list(steps(readme))
    assert session, "the README has console sessions"
    for step in session:
        word = step.command.split()[0]
        assert word in COMMANDS, f"README.md:{step.line}: {word} is not for a session to run"
        done = subprocess.run(
            ["bash", "-c", step.command],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert matches(step.expected, done.stdout), (
            f"README.md:{step.line}: $ {step.command}\n"
            f"--- expected\n{step.expected}--- printed\n{done.stdout}"
        )


def test_the_python_examples_print_what_the_readme_says(readme: str) -> None:
    examples = "\n".join(block for _, block in blocks(readme, "pycon"))
    test = doctest.DocTestParser().get_doctest(examples, {}, "README.md", "README.md", 0)
    assert test.examples, "the README has Python examples"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(test).failed == 0


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a  \n", True),
        ("a\n", "a\nb\n", False),
        ("a\n...\n", "a\nb\nc\n", True),
        ("...\nc\n", "a\nb\nc\n", True),
        ("...\nd\n", "a\nb\nc\n", False),
        ("took ... ms\n", "took 3.1 ms\n", True),
        ("", "a\n", False),
    ],
)
def test_expected_output_is_compared_whole(expected: str, printed: str, same: bool) -> None:
    assert matches(expected, printed) is same
