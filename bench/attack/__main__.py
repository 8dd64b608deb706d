"""`python -m bench.attack URL [--key ACCESS:SECRET] [NAME...]`: attacks a portal of one's own and prints what it cost.

Nothing here knows what the portal defends with: run it on two versions to compare them. `--key` is that of an owner of
an environment, `--account-key` an administrator's, `--pid` the portal's processes, whose memory and time is measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

from bench.attack import amplified, fake_engines, front_door, log_ins, stalls, tenancy
from bench.attack.victim import Bystander, Victim

ATTACKS: dict[str, Callable[[Victim], Iterator[str]]] = {
    "body-flood": front_door.body_flood,
    "slow-heads": front_door.slow_heads,
    "header-bombs": front_door.header_bombs,
    "many-connections": front_door.many_connections,
    "idle-connection": front_door.idle_connection,
    "guessing": log_ins.guessing,
    "quadratic-identity": stalls.quadratic_identity,
    "redaction-bomb": stalls.redaction_bomb,
    "nesting": stalls.nesting,
    "shared-engine": tenancy.shared_engine,
    "log-options": tenancy.log_options,
    "host-volumes": tenancy.host_volumes,
    "readonly-key": tenancy.readonly_key,
    "one-name-at-once": tenancy.one_name_at_once,
    "large-import": amplified.large_import,
    "subscribers": amplified.subscribers,
    "fake-engine": fake_engines.fake_engine,
    "last-administrators": tenancy.last_administrators,
}
ANONYMOUS = {"body-flood", "slow-heads", "header-bombs", "many-connections", "idle-connection", "guessing"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.attack", description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="such as http://127.0.0.1:8080; never a portal of somebody else")
    parser.add_argument("--key", default="", help="an API key, for what anonymous callers cannot do")
    parser.add_argument("--account-key", default="", help="an administrator's, for what concerns accounts")
    parser.add_argument("--pid", type=int, action="append", default=[], help="a process of the portal")
    parser.add_argument("names", nargs="*", choices=[[], *ATTACKS], help="which attacks; all by default")
    given = parser.parse_intermixed_args()  # names may stand behind the options
    victim = Victim.at(given.url, given.key, given.account_key, given.pid)
    for name in given.names or ATTACKS:
        if name not in ANONYMOUS and not given.key:
            print(f"{name}: skipped, needs --key", flush=True)
            continue
        began = time.monotonic()
        with Bystander(victim) as bystander:
            for line in ATTACKS[name](victim):
                print(f"{name}: {line}", flush=True)
        print(
            f"{name}: {time.monotonic() - began:.1f} s in all; a bystander waited {bystander.worst:.2f} s at most,"
            f" {bystander.refused} times in vain",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
