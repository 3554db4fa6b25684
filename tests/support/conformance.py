#!/usr/bin/env python3
"""Plays all conformance cases side by side and compares what fails with the list of what may fail.

tests/conformance.skip names the cases of what is not built yet, one per line, the reason after "#". A case that fails without
being listed is a failure, and so is one that passes although it is listed: the list can only shrink.

    tests/support/conformance.py --server 'path/to/loligo serve --config {config}'
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
CASES = TESTS / "conformance" / "cases"
SKIP = TESTS / "conformance.skip"

# Cases mostly wait (for the server to start, for timeouts to pass), so more of them than cores can run.
SHARDS = 2 * (os.cpu_count() or 1)

# The first argument of a shard, before its number and the runner's arguments.
SHARD = "--shard"


def may_fail():
    """The listed cases, each with its reason."""
    listed = {}
    for number, line in enumerate(SKIP.read_text().splitlines(), 1):
        case, _, reason = (part.strip() for part in line.partition("#"))
        if case and not reason:
            sys.exit(f"{SKIP.name}:{number}: {case} has no reason")
        if case and not (CASES / case).is_file():
            sys.exit(f"{SKIP.name}:{number}: there is no case {case}")
        if case:
            listed[case] = reason
    return listed


def play(server, cases):
    """What each of the cases came to: (passed, output of the runner about it)."""
    shards = [cases[n::SHARDS] for n in range(SHARDS)]
    running = [subprocess.Popen([sys.executable, __file__, SHARD, str(n), "--server", server, "--verbose", *shard],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for n, shard in enumerate(shards) if shard]
    outcomes = {}
    for output in [process.communicate()[0] for process in running]:
        for block in re.split(r"^(?=ok   |FAIL )", output, flags=re.M):
            if told := re.match(r"(ok|FAIL) +(\S+)", block):
                outcomes[os.path.relpath(told[2], CASES)] = told[1] == "ok", block
    return outcomes


def play_shard(number, arguments):
    """The runner itself, with ports that no other shard takes: two servers on one port would share its connections."""
    sys.path.insert(0, str(CASES.parent))
    import run

    any_port = run.free_port

    def own_port():
        while (port := any_port()) % SHARDS != number:
            pass
        return port

    run.free_port = own_port
    sys.argv = ["run.py", *arguments]
    run.main()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="command; {config}, {dir} and {port} are filled in")
    parser.add_argument("--list", action="store_true", help="only print the names of the cases that fail")
    args = parser.parse_args()

    cases = sorted(CASES.rglob("*.toml"))
    outcomes = play(args.server, [str(case) for case in cases])
    if args.list:
        print("\n".join(sorted(case for case, (good, _) in outcomes.items() if not good)))
        return

    listed, passed, failed = may_fail(), 0, 0
    for case in (os.path.relpath(case, CASES) for case in cases):
        good, output = outcomes.get(case, (False, f"FAIL {case}: the runner ended before it\n"))
        if good == (case not in listed):
            passed += good
            continue
        failed += 1
        print(output if not good else f"FAIL {case} passes: take it out of {SKIP.name}", flush=True)
    print(f"{passed} passed, {failed} failed, {len(listed)} not built yet")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == [SHARD]:
        play_shard(int(sys.argv[2]), sys.argv[3:])
    else:
        main()
