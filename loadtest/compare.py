#!/usr/bin/env python3
"""Measures authentication servers side by side on the same work.

    compare.py --server ours='target/release/loligo serve --config {config}' [--server NAME=CMD …] [--mode keepalive]

Every server gets its own copy of pipeline/ (configuration and Lua scripts), one redis-server serves all.  The servers
are pinned to core 0, wrk and redis-server to core 1.  Rounds are interleaved (A, B, A, B …) so that a drifting machine
hits all alike; medians are printed.  The figure to compare is the server's CPU time per request (user and system, from
the kernel's scheduler statistics): it holds when wrk's core is the bottleneck, where requests per second do not.
With --tls all servers speak TLS with the same certificate, of an ECDSA (P-256) or RSA-2048 key: --mode keepalive measures
established connections, --mode close a connection (and a handshake) for each login.
Needs wrk and redis-server on the PATH, and openssl for --tls.
"""
import argparse, hashlib, base64, os, pathlib, re, shlex, shutil, socket, statistics, subprocess, sys, tempfile, time
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests/conformance"))
from run import fill, free_port, wait_port  # noqa: E402

HERE = pathlib.Path(__file__).parent
MODES = {"keepalive": [], "close": ["close"], "wrong": ["wrong"]}


def cpu_ns(pid):
    return sum(int((t / "schedstat").read_text().split()[0]) for t in pathlib.Path(f"/proc/{pid}/task").iterdir())


def rss_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def users(port):
    """A thousand accounts bench:user:user0000 … with password 'secret' as {SSHA256}."""
    digest = base64.b64encode(hashlib.sha256(b"secretsalt").digest() + b"salt").decode()
    out = []
    for i in range(1000):
        args = ["HSET", f"bench:user:user{i:04}", "account", f"user{i:04}@example.test", "password",
                "{SSHA256}" + digest, "uid", str(10000 + i), "gid", "100", "home", f"/srv/mail/user{i:04}", "quota",
                "5G", "host", "192.0.2.20", "enabled", "1"]
        out.append(f"*{len(args)}\r\n" + "".join(f"${len(a)}\r\n{a}\r\n" for a in args))
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall("".join(out).encode())
        got = b""
        while got.count(b"\r\n") < 1000:
            got += s.recv(65536)


def certificate(top, kind):
    """Files of a certificate for all servers: also for peers, in the environment variables BENCH_CERT and BENCH_KEY."""
    key = {"ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"]}[kind]
    files = top / "server.crt", top / "server.key"
    subprocess.run(["openssl", "req", "-x509", *key, "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
                   check=True, capture_output=True)
    return files


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--server", action="append", required=True, metavar="NAME=CMD")
    p.add_argument("--config", action="append", default=[], metavar="NAME=FILE",
                   help="configuration of that server, a file of pipeline/ (config.yml)")
    p.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    p.add_argument("--mode", action="append", choices=MODES, default=None)
    p.add_argument("--tls", choices=["ecdsa", "rsa"], help="speak TLS, with a key of this kind")
    p.add_argument("--connections", default="64")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", default="3")
    p.add_argument("--settle", type=float, default=1.0)
    p.add_argument("--cores", default="0", help="cores of the server under test")
    args = p.parse_args()
    configs = dict(c.split("=", 1) for c in args.config)
    top = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    redis_port = free_port()
    redis = subprocess.Popen(["taskset", "-c", "1", "redis-server", "--port", str(redis_port), "--bind", "127.0.0.1",
                              "--save", "", "--appendonly", "no", "--dir", str(top)], stdout=subprocess.DEVNULL)
    servers = {}
    tls = certificate(top, args.tls) if args.tls else None
    try:
        wait_port(redis_port, redis)
        users(redis_port)
        for spec in args.server:
            name, command = spec.split("=", 1)
            folder, port = top / name, free_port()
            shutil.copytree(HERE / "pipeline", folder)
            config = folder / "nauthilus.yml"
            text = fill((HERE / "pipeline" / configs.get(name, "config.yml")).read_text(),
                        {"port": port, "redis_port": redis_port, "dir": folder})
            if tls:
                text = text.replace("server:\n", f"server:\n  tls: {{enabled: true, cert: {tls[0]}, key: {tls[1]}}}\n", 1)
            config.write_text(text)
            argv = shlex.split(command.format(config=config, dir=folder, port=port))
            if "/" in argv[0]:
                argv[0] = os.path.abspath(argv[0])
            env = {**os.environ, **dict(e.split("=", 1) for e in args.env)}
            if tls:
                env.update(BENCH_CERT=str(tls[0]), BENCH_KEY=str(tls[1]))
            proc = subprocess.Popen(["taskset", "-c", args.cores, *argv], cwd=folder, env=env,
                                    stdout=open(folder / "log", "wb"), stderr=subprocess.STDOUT)
            if not wait_port(port, proc):
                sys.exit(f"{name} did not start: see {folder}/log")
            servers[name] = (proc, port)
        time.sleep(args.settle)
        rows = {}

        def once(name, mode, seconds):
            proc, port = servers[name]
            before = cpu_ns(proc.pid)
            out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c", args.connections, "-d", seconds + "s",
                                  "--latency", "-s", str(HERE / "pipeline/requests.lua"), f"{'https' if tls else 'http'}://127.0.0.1:{port}/",
                                  "--", *MODES[mode]], capture_output=True, text=True).stdout
            used = cpu_ns(proc.pid) - before
            n, seconds = re.search(r"(\d+) requests in ([\d.]+)s", out).groups()
            scale = {"us": 1, "ms": 1e3, "s": 1e6}
            lat = {q: float(v) * scale[u] for q, v, u in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", out)}
            return (int(n) / float(seconds), used / max(1, int(n)), lat["50"], lat["99"], rss_kb(proc.pid),
                    int(re.search(r"unexpected answers: (\d+)", out)[1]))

        for mode in args.mode or ["keepalive"]:
            for name in servers:
                once(name, mode, "1")
            for _ in range(args.rounds):
                for name in servers:
                    rows.setdefault((mode, name), []).append(once(name, mode, args.seconds))
        print(f"{'mode':10} {'server':18} {'req/s':>9} {'CPU us/req':>11} {'req/CPU-s':>10} {'p50 ms':>8} {'p99 ms':>8} {'RSS MB':>7} {'bad':>5}")
        for (mode, name), got in rows.items():
            m = [statistics.median(c) for c in zip(*got)]
            print(f"{mode:10} {name:18} {m[0]:9.0f} {m[1] / 1e3:11.1f} {1e9 / m[1]:10.0f} {m[2] / 1e3:8.2f} {m[3] / 1e3:8.2f} {m[4] / 1024:7.1f} {sum(g[5] for g in got):5}")
    finally:
        for proc, _ in servers.values():
            proc.terminate()
        for proc, _ in servers.values():
            proc.wait()
        redis.terminate()
        redis.wait()
        shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    main()
