"""Runs scripts by a real bash that sees nothing of this machine, and tells what they ran.

The root of the sandbox holds a copy of bash, its libraries, and stand-ins named `rm`, `curl`, `git`
and so on that only report their arguments. It has namespaces of its own for users, mounts,
processes and the network; no file, device or connection of the host is in it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PLAIN = (
    *("rm", "mv", "cp", "dd", "curl", "wget", "git", "chmod", "chown", "kubectl", "docker", "nc"),
    *("ssh", "scp", "mkfs", "shred", "kill", "systemctl", "psql", "ls", "grep", "find", "touch"),
    *("mkdir", "python3", "perl", "make", "aws", "id", "uname", "date", "sleep", "sort", "wc"),
)
FILTERS = ("cat", "rev", "tac", "tr", "base64", "head", "tee", "seq", "basename", "dirname")
WRAPPERS = ("env", "sudo", "nohup", "nice", "timeout", "xargs", "setsid")

# It reports itself on descriptor 9, which nothing else uses, then does what its name says.
STAND_IN = r"""#!/bin/bash -p
name=${0##*/}
printf '%s\0' "$#" "$name" "$@" >&9
copy() { local l; while IFS= read -r l || [[ $l ]]; do printf '%s\n' "$l"; done; }
text() {
  local f
  if (($#)); then for f; do if [[ $f == - ]]; then copy; else copy <"$f"; fi; done; else copy; fi
}
case $name in
cat) text "$@" ;;
rev) copy | while IFS= read -r l; do
  o=; for ((i = ${#l}; i--; )); do o+=${l:i:1}; done; echo "$o"
  done ;;
tac) mapfile -t a; for ((i = ${#a[@]}; i--; )); do printf '%s\n' "${a[i]}"; done ;;
head) IFS= read -r l; printf '%s\n' "$l" ;;
tee) mapfile -t a; printf '%s\n' "${a[@]}"; for f; do printf '%s\n' "${a[@]}" >"$f"; done ;;
seq) for ((i = 1; i <= ${1:-0}; i++)); do echo "$i"; done ;;
basename) echo "${1##*/}" ;;
dirname) echo "${1%/*}" ;;
tr)
  set_of() { local s=$1 o= i c d; for ((i = 0; i < ${#s}; i++)); do
    if [[ ${s:i+1:1} == - && ${s:i+2:1} ]]; then
      printf -v c %d "'${s:i:1}"; printf -v d %d "'${s:i+2:1}"
      for (( ; c <= d; c++)); do printf -v h %o "$c"; printf -v h "\\$h"; o+=$h; done; ((i += 2))
    else o+=${s:i:1}; fi; done; printf %s "$o"; }
  delete=; [[ $1 == -d ]] && { delete=1; shift; }
  from=$(set_of "$1") to=$(set_of "${2-}")
  copy | while IFS= read -r l; do o=; for ((i = 0; i < ${#l}; i++)); do
    c=${l:i:1} p=${from%%"$c"*}
    if [[ $p == "$from" ]]; then o+=$c; elif [[ ! $delete ]]; then o+=${to:${#p}:1}; fi
  done; echo "$o"; done ;;
base64)
  [[ $1 == -d || $1 == --decode || $1 == -D ]] || exit 0
  abc=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/
  mapfile -t a; IFS=; s=${a[*]} n=0 bits=0
  for ((i = 0; i < ${#s}; i++)); do
    p=${abc%%"${s:i:1}"*}; [[ $p == "$abc" ]] && continue
    ((n = (n << 6 | ${#p}) & 0xffffff, bits += 6))
    ((bits >= 8)) && { ((bits -= 8)); printf -v h %x "$((n >> bits & 255))"; printf "\\x$h"; }
  done ;;
env) while [[ $1 == *=* ]]; do export "$1"; shift; done; (($#)) && exec "$@" ;;
sudo | nohup | setsid) (($#)) && exec "$@" ;;
nice) [[ $1 == -n ]] && shift 2; exec "$@" ;;
timeout) shift; exec "$@" ;;
xargs) mapfile -t a; IFS=$' \t\n'; exec "$@" ${a[*]} ;;
esac
exit 0
"""

# One script after the other; descriptor 9 is a pipe, so that nothing is read before all have ended.
DRIVER = r"""
for s in /s/*; do
  /bin/bash -n "$s" 2>/o </e; syntax=$?
  mapfile -d '' -t ran < <(
    ulimit -t 5 -f 1000; cd /home/user/work
    exec /bin/bash --norc --noprofile "$s" 9>&1 >/o 2>/o </e
  )
  printf '%s\0' "$syntax" "${#ran[@]}" "${ran[@]}"
done
"""

# Only these fixed words run outside of the new root. A session of its own: a signal to the process
# group would reach what is in it on the host, too.
ENTER = """mount -t proc -o subset=pid proc "$1/proc" 2>/dev/null
cd "$1" && exec setsid chroot "$1" /bin/bash --norc --noprofile /driver"""
UNSHARE = [
    *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts"),
    *("--fork", "--kill-child", "--", "/bin/sh", "-c", ENTER, "sh"),
]
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/home/user",
    "LC_ALL": "C.UTF-8",
}
CHUNK = 40  # scripts that share a sandbox and its time limit
SECONDS = 120.0


@dataclass(frozen=True)
class Outcome:
    """What bash made of one script."""

    accepted: bool  # by `bash -n`
    ran: list[list[str]]  # argument vectors of the stand-ins, in no order


class UnavailableError(Exception):
    """This machine cannot make the sandbox; the message says why."""


class Sandbox:
    """A root folder with bash and stand-ins.

    Raises:
        UnavailableError: no bash, or namespaces are not permitted.
    """

    def __init__(self, root: Path) -> None:
        bash = shutil.which("bash")
        if bash is None or not all(map(shutil.which, ("unshare", "setsid"))):
            raise UnavailableError("bash, unshare or setsid is not installed")
        self._root = root
        for folder in ("bin", "s", "dev", "proc", "tmp", "home/user/work"):
            (root / folder).mkdir(parents=True)
        listed = subprocess.run(["ldd", bash], capture_output=True, text=True, check=False)
        libraries = [word for word in listed.stdout.split() if word.startswith("/")]
        for file in libraries:
            target = root / file.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        shutil.copy(bash, root / "bin/bash")
        (root / "bin/sh").symlink_to("bash")
        (root / "dev/fd").symlink_to("/proc/self/fd")
        for empty in ("e", "o", "dev/null"):
            (root / empty).touch()
        (root / "driver").write_text(DRIVER)
        for name in PLAIN + FILTERS + WRAPPERS:
            stand_in = root / "bin" / name
            stand_in.write_text(STAND_IN)
            stand_in.chmod(0o755)
        probe = self.run(["rm probe", "if"])
        if probe != [Outcome(True, [["rm", "probe"]]), Outcome(False, [])]:
            raise UnavailableError(f"the sandbox does not work: {probe}")

    def run(self, scripts: Sequence[str]) -> list[Outcome]:
        """What each script ran."""
        outcomes: list[Outcome] = []
        for start in range(0, len(scripts), CHUNK):
            outcomes += self._chunk(scripts[start : start + CHUNK])
        return outcomes

    def _chunk(self, scripts: Sequence[str]) -> list[Outcome]:
        for folder in ("s", "tmp", "home/user/work"):
            shutil.rmtree(self._root / folder)
            (self._root / folder).mkdir()
        for number, script in enumerate(scripts):
            (self._root / "s" / f"{number:04}").write_text(script + "\n")
        try:
            done = subprocess.run(
                [*UNSHARE, str(self._root)],
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
                start_new_session=True,
            )
            output = done.stdout
            if not output:
                raise UnavailableError(f"no sandbox here: {done.stderr.decode().strip()}")
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b""
        outcomes = list(_outcomes(output))
        if len(outcomes) != len(scripts):
            raise TimeoutError(f"no answer to {scripts[len(outcomes)]!r}")
        return outcomes


def _outcomes(output: bytes) -> Iterator[Outcome]:
    fields = iter(output.decode(errors="replace").split("\0")[:-1])
    for syntax in fields:
        rest = [next(fields) for _ in range(int(next(fields)))]
        ran = []
        while rest:
            end = int(rest[0]) + 2
            ran.append(rest[1:end])
            rest = rest[end:]
        yield Outcome(syntax == "0", ran)
