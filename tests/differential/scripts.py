"""Makes scripts that reach commands and words by the ways of bash. Nothing here runs them."""

from __future__ import annotations

import base64
import codecs
import random
from collections.abc import Callable
from pathlib import Path

NAMES = ["rm", "curl", "git", "dd", "chmod", "mv", "shred", "nc"]
WORDS = ["-rf", "/srv/data", "x.txt", "--force", "main", "a b", "/etc", "~", "77", "it's", "k=v"]


class Maker:
    """A script with one seed is always the same.

    A `plain` one has no scripts inside of texts, so that all of it is parsed at once.
    """

    def __init__(self, seed: int, *, plain: bool = False) -> None:
        self._dice = random.Random(seed)  # noqa: S311
        self._runners = RUNNERS[: len(FORMS["places"])] if plain else RUNNERS
        self._count = 0
        self._before: list[str] = []

    def script(self) -> str:
        """A few commands, one a line."""
        return "\n".join(
            self._statement(self._dice.randint(0, 3)) for _ in range(self._dice.randint(1, 3))
        )

    def place(self, number: int) -> str:
        """A command in one of the places where it may stand, by number."""
        made = RUNNERS[number](self, "rm -rf /srv/data", 1)
        return "\n".join([*self._before, made])

    def spelled(self, number: int, text: str) -> str:
        """A command with a word that is spelled in one of the ways, by number."""
        word = WAYS[number](self, text)
        return "\n".join([*self._before, f"{word} -rf /srv" if text == "rm" else f"rm {word}"])

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def _statement(self, depth: int) -> str:
        """A command, or something that runs one."""
        outer, self._before = self._before, []
        if depth == 0 or self._dice.random() < 0.15:
            body = self._simple()
        else:
            body = self._dice.choice(self._runners)(self, self._statement(depth - 1), depth)
        before, self._before = self._before, outer
        return "\n".join([*before, body])

    def _simple(self) -> str:
        words = [self._dice.choice(NAMES)]
        words += [self._dice.choice(WORDS) for _ in range(self._dice.randint(0, 3))]
        way = self._dice.random()
        if way < 0.1:
            return self._as_array(words)
        if way < 0.15 and not any(" " in w or "'" in w or "~" in w for w in words):
            return (
                "${IFS}".join(words)
                if self._dice.random() < 0.5
                else "{" + ",".join([*words, ""]) + "}"
            )
        shown = [self.word(word, 2) for word in words]
        if self._dice.random() < 0.1:
            shown.insert(
                self._dice.randint(0, len(shown)),
                self._dice.choice([">o", "2>&1", "</e", "3<>o", "<<<x", "&>o"]),
            )
        if self._dice.random() < 0.05:
            shown.insert(0, "v=1")
        return " ".join(shown)

    def _as_array(self, words: list[str]) -> str:
        name = self._name()
        quoted = " ".join(quote(word) for word in words)
        way = self._dice.randint(0, 6)
        if way == 0:
            return f'{name}=({quoted}); "${{{name}[@]}}"'
        if way == 1:
            return f'set -- {quoted}; "$@"'
        if way == 2:
            return f'{name}=({quoted}); "${{{name}[@]:0:1}}" "${{{name}[@]:1}}"'
        if way == 3:
            return f'set -- {quoted}; $1 "${{@:2}}"'
        if way == 4:
            return f'{name}=({quoted}); {name}+=(more); "${{{name}[@]}}"'
        if way == 5:
            return f'f{name}() {{ "$@"; }}; f{name} {quoted}'
        return f'{name}=({quoted}); "${{{name}[0]}}" "${{{name}[-1]}}"'

    def word(self, text: str, depth: int) -> str:
        """An expression that bash turns into `text`, or nearly."""
        if depth == 0 or self._dice.random() < 0.35:
            return self._dice.choice([quote, quote, double, escape, ansi])(text)
        if len(text) > 1 and self._dice.random() < 0.25:
            cut = self._dice.randint(1, len(text) - 1)
            return self.word(text[:cut], depth - 1) + self.word(text[cut:], depth - 1)
        return self._dice.choice(WAYS)(self, text)


def quote(text: str) -> str:
    """As a shell reads it back."""
    return (
        text
        if text.replace("/", "").replace("-", "").isalnum()
        else "'" + text.replace("'", "'\\''") + "'"
    )


def double(text: str) -> str:
    """In double quotes."""
    return '"' + "".join("\\" + c if c in '$`"\\' else c for c in text) + '"'


def escape(text: str) -> str:
    """A backslash before every character."""
    return "".join("\\" + c for c in text)


def ansi(text: str) -> str:
    """`$'…'` with numbers."""
    forms: list[Callable[[str], str]] = [
        lambda c: f"\\x{ord(c):02x}",
        lambda c: f"\\{ord(c):03o}",
        lambda c: f"\\u{ord(c):04x}",
        lambda c: "\\'" if c == "'" else c,
    ]
    return "$'" + "".join(forms[i * 7 % 4](c) for i, c in enumerate(text)) + "'"


def _variable(text_of: Callable[[str], str], use: str) -> Callable[[Maker, str], str]:
    """A variable that is set before, and used as `use` says; `§` is its name."""

    def way(maker: Maker, text: str) -> str:
        name = maker._name()
        maker._before.append(text_of(text).replace("§", name))
        return use.replace("§", name)

    return way


def _plain(text: str) -> str:
    return f"§={quote(text)}"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


WAYS: list[Callable[[Maker, str], str]] = [
    _variable(_plain, '"$§"'),
    _variable(_plain, "$§"),
    _variable(_plain, '"${§}"'),
    _variable(_plain, '"${§:-other}"'),
    _variable(_plain, '"${§:?}"'),
    _variable(_plain, '"${§:0}"'),
    _variable(lambda t: f"§={quote('ab' + t + 'cd')}", '"${§:2:-2}"'),
    _variable(lambda t: f"§={quote('ab' + t)}", '"${§#ab}"'),
    _variable(lambda t: f"§={quote('ab.' + t)}", '"${§#*.}"'),
    _variable(lambda t: f"§={quote('a.b.' + t)}", '"${§##*.}"'),
    _variable(lambda t: f"§={quote(t + '%zz')}", '"${§%\\%*}"'),
    _variable(lambda t: f"§={quote(t + '=zz')}", '"${§%=zz}"'),
    _variable(lambda t: f"§={quote(t + '^z^z')}", '"${§%%^*}"'),
    _variable(lambda t: f"§={quote('QQ' + t)}", '"${§/QQ/}"'),
    _variable(lambda t: f"§={quote('Q'.join(t))}", '"${§//Q}"'),
    _variable(lambda t: f"§={quote('Q7'.join(t))}", '"${§//Q?/}"'),
    _variable(lambda t: f"§={quote('QQ' + t)}", '"${§/#QQ/}"'),
    _variable(lambda t: f"§={quote(t + 'QQ')}", '"${§/%QQ}"'),
    _variable(lambda t: f"§={quote(t.upper())}", '"${§,,}"'),
    _variable(lambda t: f"§={quote(t.lower())}", '"${§^^}"'),
    _variable(lambda t: f"§={quote(t[:1].upper() + t[1:])}", '"${§,}"'),
    _variable(lambda t: f"§={quote(t.upper())}", '"${§@L}"'),
    _variable(_plain, '"$(eval echo ${§@Q})"'),
    _variable(lambda t: f"§={quote(ansi(t)[2:-1])}", '"${§@E}"'),
    _variable(lambda t: f"i§={quote(t)}; §=i§", '"${!§}"'),
    _variable(lambda t: f"i§={quote(t)}; declare -n §=i§", '"$§"'),
    _variable(lambda t: f"printf -v § %s {quote(t)}", '"$§"'),
    _variable(lambda t: f"printf -v § '%b' {quote(ansi(t)[2:-1])}", '"$§"'),
    _variable(lambda t: f"read -r § <<< {quote(t)}", '"$§"'),
    _variable(lambda t: f"read -r § <<E§\n{t}\nE§", '"$§"'),
    _variable(lambda t: f"read -r x§ § <<< {quote('one ' + t)}", '"$§"'),
    _variable(lambda t: f"IFS=: read -r x§ § <<< {quote('one:' + t)}", '"$§"'),
    _variable(lambda t: f"mapfile -t § <<< {quote(t)}", '"$§"'),
    _variable(lambda t: f"mapfile -t § <<< {quote('one' + chr(10) + t)}", '"${§[1]}"'),
    _variable(lambda t: f"read -ra § <<< {quote('one ' + t.replace(' ', '_'))}", '"${§[1]}"'),
    _variable(lambda t: f"§=(one {quote(t)})", '"${§[1]}"'),
    _variable(lambda t: f"§=(one {quote(t)})", '"${§[-1]}"'),
    _variable(lambda t: f"§=(one {quote(t)} two)", '"${§[@]:1:1}"'),
    _variable(lambda t: f"§=([5]={quote(t)})", '"${§[5]}"'),
    _variable(lambda t: f"§[3]={quote(t)}", '"${§[1+2]}"'),
    _variable(lambda t: f"declare -A §=([k]={quote(t)})", '"${§[k]}"'),
    _variable(lambda t: f"declare -A §; §[k]={quote(t)}", '"${§[k]}"'),
    _variable(lambda t: f"declare §={quote(t)}", '"$§"'),
    _variable(lambda t: f"declare -u i§={quote(t.lower())}; declare -l §=$i§", '"$§"'),
    _variable(lambda t: f"export §={quote(t)}", '"$§"'),
    _variable(lambda t: f"readonly §={quote(t)}", '"$§"'),
    _variable(lambda t: f"§={quote(t[:1])}; §+={quote(t[1:])}", '"$§"'),
    _variable(lambda t: f"for § in one {quote(t)}; do :; done", '"$§"'),
    _variable(lambda t: f'f§() {{ local i=$1; printf %s "$i"; }}; §=$(f§ {quote(t)})', '"$§"'),
    _variable(lambda t: f'f§() {{ printf -v "$1" %s {quote(t)}; }}; f§ §', '"$§"'),
    _variable(lambda t: f"set -- one {quote(t)}; §=$2", '"$§"'),
    _variable(lambda t: f"set -- one {quote(t)}; shift; §=$1", '"$§"'),
    _variable(lambda t: f"while getopts 'q:' i§ -q {quote(t)}; do §=$OPTARG; done", '"$§"'),
    _variable(lambda t: f"[[ {quote('x=' + t)} =~ ^x=(.*)$ ]]; §=${{BASH_REMATCH[1]}}", '"$§"'),
    _variable(lambda t: f"case x in x) §={quote(t)} ;; esac", '"$§"'),
    _variable(lambda t: f"let n§=1+1; §={quote('ab' + t)}", '"${§:n§}"'),
    _variable(lambda t: f"§={quote('ab' + t)}", '"${§:1+1}"'),
    _variable(lambda t: f"§={quote('x' + t)}", '"${§:1}"'),
    _variable(lambda t: f"§={quote(t)}", '"${§: -' + "99" + '}${§}"'),
    _variable(lambda t: f': "${{§:={t}}}"' if t.isalnum() else f"§={quote(t)}", '"$§"'),
    _variable(lambda t: f'coproc c§ {{ echo {quote(t)}; }}; read -r § <&"${{c§[0]}}"', '"$§"'),
    _variable(lambda t: f"exec 5<<< {quote(t)}; read -r § <&5", '"$§"'),
    _variable(lambda t: f"read -r § < <(echo {quote(t)})", '"$§"'),
    _variable(lambda t: f"echo {quote(t)} > f§; read -r § < f§", '"$§"'),
    _variable(lambda t: f"echo {quote(t)} > f§; §=$(<f§)", '"$§"'),
    _variable(lambda t: f"shopt -s lastpipe; echo {quote(t)} | read -r §", '"$§"'),
    _variable(lambda t: f"eval §={quote(quote(t))}", '"$§"'),
    lambda _m, t: f'"${{nothing:-{t}}}"' if "'" not in t else quote(t),
    lambda _m, t: f"${{nothing:-{quote(t)}}}",
    lambda _m, t: f"${{HOME:+{quote(t)}}}",
    lambda _m, t: f'"${{nothing-{double(t)[1:-1]}}}"',
    lambda _m, t: f'"$(echo {quote(t)})"',
    lambda _m, t: f'"`echo {quote(t)}`"' if "'" not in t else quote(t),
    lambda _m, t: f'"$(printf %s {quote(t)})"',
    lambda _m, t: f"\"$(printf '{ansi(t)[2:-1]}')\"" if "'" not in t else quote(t),
    lambda _m, t: (
        f"\"$(echo -e '{ansi(t)[2:-1]}')\"" if "'" not in t and "-" not in t[:1] else quote(t)
    ),
    lambda _m, t: f'"$(rev <<< {quote(t[::-1])})"',
    lambda _m, t: f'"$(echo {_encoded(t)} | base64 -d)"',
    lambda _m, t: f'"$(tr a-z n-za-m <<< {quote(_rot13(t))})"' if t.islower() else quote(t),
    lambda _m, t: f'"$(tr -d Q <<< {quote("Q".join(t))})"',
    lambda _m, t: f'"$(cat <<E\n{t}\nE\n)"',
    lambda _m, t: f"\"$(cat <<'E'\n{t}\nE\n)\"",
    lambda _m, t: f"{quote(t[:1])}{{{quote(t[1:])},}}" if len(t) > 1 else quote(t),
    lambda _m, t: f"$((70 + {int(t) - 70}))" if t.isdigit() else quote(t),
    lambda _m, t: quote(t),
]


def _runner(form: str) -> Callable[[Maker, str, int], str]:
    """`¤` is the inner command, `§` a new name."""

    def run(maker: Maker, inner: str, _depth: int) -> str:
        return form.replace("§", maker._name()).replace("¤", inner)

    return run


def _quoted(form: str) -> Callable[[Maker, str, int], str]:
    """`¤` is the inner command as one quoted word."""

    def run(maker: Maker, inner: str, _depth: int) -> str:
        quoting = maker._dice.choice([lambda t: "'" + t.replace("'", "'\\''") + "'", double, ansi])
        return form.replace("§", maker._name()).replace("¤", quoting(inner))

    return run


def _forms() -> dict[str, list[str]]:
    """The lines of `forms.txt` by part."""
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (Path(__file__).parent / "forms.txt").read_text().splitlines():
        if line.startswith("---- "):
            lines = parts[line.removeprefix("---- ")] = []
        else:
            lines.append(line.replace("⏎", "\n"))
    return parts


FORMS = _forms()


def _hidden(form: str) -> Callable[[Maker, str, int], str]:
    def run(maker: Maker, _inner: str, _depth: int) -> str:
        inner = " ".join(
            [maker._dice.choice(NAMES), *(w for w in maker._dice.sample(WORDS, 2) if "'" not in w)]
        )
        return form.replace("§", maker._name()).replace("¤", inner)

    return run


RUNNERS: list[Callable[[Maker, str, int], str]] = [
    *(_runner(form) for form in FORMS["places"]),
    *(_quoted(form) for form in FORMS["texts"]),
    *(_hidden(form) for form in FORMS["hidden"]),
]
