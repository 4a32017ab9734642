"""A pytest plugin: the tests of rules, and saved calls, as tests of pytest.

It is off for files that do not say they are ours. Ours is a pack with the schema line that `init`
writes, whatever `egress_guard_files` of the ini file names, and, with `--egress-guard`, every YAML
and JSON file that is collected. Nothing of the package is imported before such a file is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import datetime

    from mcp_egress_guard.core import EgressGuard
    from mcp_egress_guard.policy.loader import PackFile
    from mcp_egress_guard.policy.models import PolicyRule

PACKS = (".yaml", ".yml")
# As `init` begins a pack.
MARK = (b"yaml-language-server: $schema=", b".schema/pack.json")
HEAD = 200

GUARDS = pytest.StashKey[dict[Path, "Judge"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the switch and the ini settings."""
    group = parser.getgroup("egress-guard", "rules of mcp-egress-guard")
    group.addoption(
        "--egress-guard",
        action="store_true",
        help="Collect the tests of all packs (YAML) and saved calls (JSON).",
    )
    parser.addini(
        "egress_guard_files",
        "Globs, from the root folder, of packs and saved calls to collect.",
        type="args",
        default=[],
    )
    parser.addini(
        "egress_guard_config",
        "The gateway.yaml by which calls are judged; the nearest above each file if not given.",
        default="",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A pack or a saved call, where it is ours."""
    if file_path.suffix in PACKS and is_ours(file_path, parent.config):
        return Pack.from_parent(parent, path=file_path)
    if file_path.suffix == ".json" and is_named(file_path, parent.config):
        return Calls.from_parent(parent, path=file_path)
    return None


def is_named(path: Path, config: pytest.Config) -> bool:
    """Whether the command line or the ini file asks for the file."""
    if config.getoption("--egress-guard"):
        return True
    globs = config.getini("egress_guard_files")
    if not globs or not path.is_relative_to(config.rootpath):
        return False
    relative = path.relative_to(config.rootpath)
    # A glob that names a folder means all that is in it.
    places = [relative, *relative.parents[:-1]]
    return any(place.match(glob.rstrip("/")) for glob in globs for place in places)


def is_ours(path: Path, config: pytest.Config) -> bool:
    """Whether the YAML file is a pack of ours, without reading more than its first line."""
    if is_named(path, config):
        return not is_config(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD).partition(b"\n")[0]
    except OSError:
        return False
    return all(part in head for part in MARK)


def is_config(path: Path) -> bool:
    """Whether the file is a configuration, which has no tests."""
    from mcp_egress_guard.places import CONFIG_NAMES  # noqa: PLC0415  (other runs)

    return path.name in CONFIG_NAMES


class Failure(Exception):  # noqa: N818  (not an error of the program)
    """What a test shows, without a traceback."""


class Item(pytest.Item):
    """One test."""

    line: int | None = None

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message alone for what we say ourselves."""
        if isinstance(excinfo.value, Failure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the test stands."""
        return self.path, self.line, self.name


class Pack(pytest.File):
    """A pack: one test for the file, and one for each test of its rules."""

    def collect(self) -> Iterable[Item]:
        """The tests."""
        from mcp_egress_guard.policy.loader import read_file  # noqa: PLC0415  (other runs)

        file = read_file(self.path)
        yield Whole.from_parent(self, name="valid")
        for rule in file.rules:
            for index in range(len(rule.tests)):
                name = f"{rule.id}[{index}]"
                test = RuleItem.from_parent(self, name=name, rule=rule, index=index)
                line, _ = file.source.place(file.at(file.rules.index(rule), "tests", index))
                test.line = None if line is None else line - 1
                yield test


class Whole(Item):
    """Whether a pack holds, with all that are in force together."""

    def runtest(self) -> None:
        """Shows every error of the file.

        Raises:
            Failure: there is one.
        """
        judge = judge_of(self.config, self.path)
        errors = judge.errors(self.path)
        if errors:
            raise Failure("\n".join(map(str, errors)))


class RuleItem(Item):
    """One test of a rule."""

    def __init__(self, *, rule: PolicyRule, index: int, **options: Any) -> None:
        super().__init__(**options)
        self.rule, self.index = rule, index

    def runtest(self) -> None:
        """Judges the call by all rules together.

        Raises:
            Failure: the decision is another one.
        """
        from mcp_egress_guard.policy.check import run_test  # noqa: PLC0415  (other runs)

        judge = judge_of(self.config, self.path)
        today = judge.today
        if self.rule.is_over(today):
            pytest.skip(f"the rule has expired on {self.rule.expires}")
        guard = judge.guard()
        result = run_test(guard.engine.guard, guard.engine.rules, self.rule, self.index, today)
        if not result.passed:
            call = f"{result.test.tool_name} {result.test.arguments}"
            raise Failure(f"{call}\n{result}")


class Calls(pytest.File):
    """A saved call."""

    def collect(self) -> Iterable[Item]:
        """Its one test."""
        yield CallItem.from_parent(self, name="call")


class CallItem(Item):
    """A saved call, and the decision that is expected of it."""

    def runtest(self) -> None:
        """Judges the call.

        Raises:
            Failure: it cannot be read, or the decision is another one.
        """
        from mcp_egress_guard.errors import EgressGuardError  # noqa: PLC0415  (other runs)
        from mcp_egress_guard.fixture import read_fixture  # noqa: PLC0415  (other runs)
        from mcp_egress_guard.replay import judge  # noqa: PLC0415  (other runs)

        try:
            fixture = read_fixture(self.path)
        except EgressGuardError as error:
            raise Failure(str(error)) from None
        outcome = judge(judge_of(self.config, self.path).guard(), fixture, self.path.name)
        if not outcome.passed:
            raise Failure(outcome.line)


class Judge:
    """The rules that are in force for a folder: of its configuration, or of the folder itself."""

    def __init__(self, config: Path | None, folder: Path) -> None:
        import datetime  # noqa: PLC0415  (other runs)

        self.config, self.folder = config, folder
        self.today: datetime.date = datetime.datetime.now(datetime.UTC).date()
        self._guard: EgressGuard | None = None
        self._failure = ""

    def guard(self) -> EgressGuard:
        """The compiled rules.

        Raises:
            Failure: they do not load; the same for every test.
        """
        if self._failure:
            raise Failure(self._failure)
        if self._guard is None:
            from mcp_egress_guard.errors import EgressGuardError  # noqa: PLC0415  (other runs)

            try:
                self._guard = self._load()
            except EgressGuardError as error:
                self._failure = str(error)
                raise Failure(self._failure) from None
        return self._guard

    def _load(self) -> EgressGuard:
        from mcp_egress_guard.config import GatewayConfig, load_config  # noqa: PLC0415
        from mcp_egress_guard.policy.loader import load_guard  # noqa: PLC0415

        if self.config:
            config = load_config(self.config)
        elif any(self.packs()):
            config = GatewayConfig(policy_paths=[str(self.folder)])
        else:
            config = GatewayConfig().placed(None, self.folder)
        return load_guard(config)[0]

    def packs(self) -> Iterator[Path]:
        """The packs of the folder."""
        return (path for path in self.folder.iterdir() if path.suffix in PACKS)

    def errors(self, path: Path) -> list[Any]:
        """What is wrong with one file, or with all together."""
        from mcp_egress_guard.policy.loader import read_files  # noqa: PLC0415  (other runs)

        folder = self.folder if self.config is None else path.parent
        policies = read_files([folder])
        mine: list[PackFile] = [f for f in policies.files if f.path.resolve() == path.resolve()]
        own = [problem for file in mine for problem in file.errors]
        return own + [problem for problem in policies.problems if problem.severity == "error"]


def judge_of(config: pytest.Config, path: Path) -> Judge:
    """The rules for a file; loaded once a configuration or folder."""
    from mcp_egress_guard.places import find_config  # noqa: PLC0415  (other runs)

    judges = config.stash.setdefault(GUARDS, {})
    named = config.getini("egress_guard_config")
    found = config.rootpath / named if named else None
    for folder in path.parents:
        if found or not folder.is_relative_to(config.rootpath):
            break
        found = find_config(folder)
    key = found or path.parent
    if key not in judges:
        judges[key] = Judge(found, path.parent)
    return judges[key]
