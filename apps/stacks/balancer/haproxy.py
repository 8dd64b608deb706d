"""HAProxy in a container: what it does, a configuration to be loaded, servers that are to get nothing more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apps.drivers.base import Driver, EngineError
from apps.drivers.commands import pack_files, run_command
from apps.stacks.balancer.process import HaproxyProcess, parse_process
from apps.stacks.balancer.render import CONFIG_FILE, FOLDER

NEXT_FILE = f"{FOLDER}/next.cfg"
LOAD_SECONDS = 45.0
MAX_MESSAGE = 500
_ALERT = re.compile(r"\[ALERT\] {1,8}\(\d{1,10}\) : (.*)")
_WHERE = re.compile(r"\[/etc/haproxy/next\.cfg:(\d+)\] ?:? ?")
_NOISE = ("config : Error(s) found", "config : Fatal errors found")
_REFUSED, _NOT_LOADED = 5, 6

_SAY = 'say() { echo "$1" | socat -t5 - UNIX-CONNECT:/run/haproxy/master.sock; }\n'
READ = f"""{_SAY}
list=$(say 'show proc') || exit 1
echo "$list"
echo "$list" | while read -r pid kind reloads rest; do
  [ "$kind" = worker ] || continue
  echo "@ $pid $reloads"
  say "@!$pid show stat"
  say "@!$pid show servers state"
done
"""

# What does not pass the check, or cannot be loaded although it did, is not what the container starts with again.
LOAD = f"""{_SAY}
umask 077
mkdir -p {FOLDER}/certificates && cd {FOLDER} || exit 3
head -c "$1" | tar -x -f - -C / || exit 4
haproxy -c -f {NEXT_FILE} 2>&1 || exit {_REFUSED}
current() {{ say 'show proc' | while read -r pid kind reloads rest; do
  [ "$kind" = worker ] && [ "$reloads" = 0 ] && echo "$pid"; done; }}
before=$(current)
cp -f haproxy.cfg before.cfg && mv -f {NEXT_FILE} haproxy.cfg || exit 4
say reload >/dev/null
turn=0
while [ $turn -lt 200 ]; do
  now=$(current)
  [ -n "$now" ] && [ "$now" != "$before" ] && break
  case $(say 'show proc') in *'[failed: 0]'*) ;; *'[failed: '*) turn=999 ;; esac
  sleep 0.05
  turn=$((turn + 1))
done
[ $turn -lt 200 ] || {{ mv -f before.cfg haproxy.cfg; exit {_NOT_LOADED}; }}
shift
for each in certificates/*; do
  case " $* " in *" {FOLDER}/$each "*) ;; *) rm -f "$each" ;; esac
done
"""
TAKE_OUT = _SAY + 'for each in "$@"; do say "$each"; done\n'


@dataclass(frozen=True, slots=True)
class ConfigRefusal:
    """Why HAProxy does not take a configuration, and at which of its lines; None where it names none."""

    reason: str
    line: int | None = None


def read_process(engine: Driver, container: str) -> HaproxyProcess:
    """What HAProxy does now. Raises `EngineError`."""
    found = run_command(engine, container, ["sh", "-c", READ])
    if found.exit_code != 0:
        raise EngineError(f"HAProxy does not answer: {found.output.strip()[:MAX_MESSAGE] or 'no reason given'}")
    return parse_process(found.output)


def load_files(engine: Driver, container: str, files: Mapping[str, bytes]) -> ConfigRefusal | None:
    """Have HAProxy go on with these files once they pass its check; else why they do not. Raises `EngineError`."""
    named = {NEXT_FILE if path == CONFIG_FILE else path: content for path, content in files.items()}
    packed = pack_files(named)
    command = ["sh", "-c", LOAD, "load", str(len(packed)), *sorted(files)]
    found = run_command(engine, container, command, stdin=packed, seconds=LOAD_SECONDS)
    if found.exit_code == 0:
        return None
    if found.exit_code == _REFUSED:
        return read_refusal(found.output)
    if found.exit_code == _NOT_LOADED:
        return ConfigRefusal(
            "HAProxy could not load the configuration although its check passed; see the container's log."
        )
    raise EngineError(f"The configuration could not be written: {found.output.strip()[:MAX_MESSAGE]}")


def read_config(engine: Driver, container: str) -> str:
    """The haproxy.cfg that it loaded last. Raises `EngineError`."""
    found = run_command(engine, container, ["cat", CONFIG_FILE])
    return found.output if found.exit_code == 0 else ""


def take_out(engine: Driver, container: str, places: Iterable[tuple[int, str, str]]) -> None:
    """Have workers send nothing more to servers; what goes on is finished. Raises `EngineError`."""
    commands = [f"@!{pid} set server {backend}/{server} state maint" for pid, backend, server in places]
    if commands:
        run_command(engine, container, ["sh", "-c", TAKE_OUT, "take-out", *commands])


def read_refusal(output: str) -> ConfigRefusal:
    """What `haproxy -c` said, in short."""
    alerts = [found[1].strip() for found in _ALERT.finditer(output)]
    first = next((each for each in alerts if not each.startswith(_NOISE)), None) or output.strip() or "no reason"
    where = _WHERE.search(first)
    reason = _WHERE.sub("", first).removeprefix("config : ").removeprefix("parsing ").strip()
    return ConfigRefusal(reason[:MAX_MESSAGE], int(where[1]) if where else None)
