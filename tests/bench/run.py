#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bench: each scene at each size through Xvfb, the host and es_client; medians of several runs as a table.

usage: run.py [--scenes type,scroll] [--sizes 1920x1080,2560x1440] [--runs 3] [--seconds 10] [--fps 60]
              [--bitrate 20000] [--encoder x264] [--set key=value] [--json FILE] [--compare FILE]

The client stores what comes and decodes after the run, so that decoding does not take the host's processor. Figures are
those of docs/architecture.md, "What is measured". Absolute times of one run mean little: look at ratios (--compare).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness  # noqa: E402

SCENES = "static,type,scroll,video,composited"
COLUMNS = (  # key, heading, digits
    ("painted_fps", "painted/s", 1), ("received_fps", "received/s", 1), ("share", "received/painted", 2),
    ("host_p50", "host p50 ms", 1), ("host_p95", "p95", 1), ("host_p99", "p99", 1), ("age_p50", "age p50 ms", 1),
    ("age_p99", "p99", 1), ("gaps", "gaps", 0), ("cores", "host cores", 2), ("memory_mb", "memory MB", 0),
    ("first_ms", "first ms", 0), ("kbps", "kbit/s", 0))
WARM_UP_S = 2
SPARE_S = 4  # the scene ends by itself, later than the stream: only then its log is whole


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--scenes", default=SCENES)
    parser.add_argument("--sizes", default="1920x1080,2560x1440")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--fps", type=int, default=60)
    parser.add_argument("--bitrate", type=int, default=20000)
    parser.add_argument("--slices", type=int, default=1)
    parser.add_argument("--encoder", default="x264")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--compare", metavar="FILE", help="JSON of an earlier run: adds ratios new/old")
    parser.add_argument("--host", default=harness.EARTHSHINE, help="release build of earthshine")
    parser.add_argument("--client", default=harness.ES_CLIENT)
    parser.add_argument("--scene-program", default=harness.ES_SCENE)
    options = parser.parse_args()
    for name, path in (("--host", options.host), ("--client", options.client),
                       ("--scene-program", options.scene_program)):
        if not os.access(path, os.X_OK):
            parser.error(f"{name}: no such program: {path!r} (or set EARTHSHINE, ES_CLIENT, ES_SCENE)")
    harness.EARTHSHINE, harness.ES_CLIENT, harness.ES_SCENE = options.host, options.client, options.scene_program
    return options


def read_painted(path):
    """Monotonic times at which the scene painted."""
    with open(path, encoding="ascii") as file:
        return [int(line.split()[2]) for line in file if len(line.split()) == 3]


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def figures(report, entries, painted, fps, cores, memory_kb):
    """The steady part: everything from WARM_UP_S after the first picture."""
    start = entries[0]["last_ns"] + WARM_UP_S * 10**9
    end = entries[-1]["last_ns"]
    seconds = (end - start) / 1e9
    steady = [e for e in entries if e["last_ns"] >= start]
    seen = [t for t in painted if start <= t <= end]
    latency = [e["latency_100us"] / 10 for e in steady if e["latency_100us"]]
    ages = [e["age_ms"] for e in steady if "age_ms" in e and e["latency_100us"]]
    distances = [(b["last_ns"] - a["last_ns"]) / 1e6 for a, b in zip(steady, steady[1:])]
    rates = report["kbps"][WARM_UP_S:-1] or report["kbps"]
    return {"painted_fps": len(seen) / seconds, "received_fps": len(steady) / seconds,
            "share": len(steady) / max(1, len(seen)), "host_p50": percentile(latency, 0.5),
            "host_p95": percentile(latency, 0.95), "host_p99": percentile(latency, 0.99),
            "age_p50": percentile(ages, 0.5), "age_p99": percentile(ages, 0.99),
            "gaps": sum(d > 1500 / fps for d in distances), "cores": cores, "memory_mb": memory_kb / 1024,
            "first_ms": report["first_picture_ms"], "kbps": statistics.mean(rates), "lost": report["frames_lost"],
            "decode_errors": report["decoded"]["errors"]}


def measure(options, display, host, client, scene):
    with tempfile.TemporaryDirectory(prefix="es-bench-") as folder:
        log, index = os.path.join(folder, "painted"), os.path.join(folder, "index")
        total = options.seconds + WARM_UP_S
        painter = harness.Scene(display, scene, int(total) + SPARE_S, options.fps, ("--log", log))
        stream = None
        try:
            stream = client.stream_start("--width", display.width, "--height", display.height, "--fps", options.fps,
                                         "--bitrate", options.bitrate, "--slices", options.slices, "--seconds", total,
                                         "--timecodes", "--index", index, "--quit").wait_streaming()
            time.sleep(WARM_UP_S)
            cpu, at = host.cpu_s(), time.monotonic()
            time.sleep(max(0.5, options.seconds - 1))
            cores = (host.cpu_s() - cpu) / (time.monotonic() - at)
            memory = host.memory_kb()
            report = stream.report(600)
            painter.process.wait(60)
        finally:
            if painter.process.poll() is None:
                painter.stop()
            if stream and stream.process.poll() is None:
                stream.dispose()
        if report["exit"]:
            raise SystemExit(f"{scene}: {report['error']}\n{host.log_tail()}")
        entries = [e for e in harness.read_index(index) if e["delivered"]]
        return figures(report, entries, read_painted(log), options.fps, cores, memory)


def run_size(options, size, results):
    width, height = map(int, size.split("x"))
    display = harness.Display(width, height)
    settings = {"encoder": options.encoder, "log_level": "info"}
    settings.update(pair.split("=", 1) for pair in options.set)
    try:
        for scene in options.scenes.split(","):
            runs = []
            for _ in range(options.runs):
                host = harness.Host(display, settings)
                client = harness.Client(host)
                try:
                    client.pair()
                    runs.append(measure(options, display, host, client, scene))
                finally:
                    client.forget()
                    host.stop()
            results[f"{scene} {size}"] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            print(f"{scene} {size} done", file=sys.stderr)
    finally:
        display.stop()


def print_table(results, old):
    print("| scene | " + " | ".join(heading for _, heading, _ in COLUMNS) + " |")
    print("| --- |" + " ---: |" * len(COLUMNS))
    for name, row in results.items():
        print(f"| {name} | " + " | ".join(f"{row[key]:.{digits}f}" for key, _, digits in COLUMNS) + " |")
        before = old.get(name)
        if before:
            ratios = (f"{row[key] / before[key]:.2f}" if before.get(key) else "-" for key, _, _ in COLUMNS)
            print("| … ratio new/old | " + " | ".join(ratios) + " |")


def main():
    options = parse_arguments()
    results, old = {}, {}
    if options.compare:
        with open(options.compare, encoding="utf-8") as file:
            old = json.load(file)["results"]
    for size in options.sizes.split(","):
        run_size(options, size, results)
    version = subprocess.run([options.host, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    document = {"version": version, "runs": options.runs, "seconds": options.seconds, "fps": options.fps,
                "bitrate_kbps": options.bitrate, "encoder": options.encoder, "cores": os.cpu_count(),
                "results": results}
    print_table(results, old)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
    else:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
