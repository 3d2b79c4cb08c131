#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bench: each scene at each size through Xvfb, the host and es_client; medians of several runs as a table.

usage: run.py [--scenes still,type] [--sizes 1920x1080,2560x1440] [--runs 5] [--seconds 10] [--fps 60] [--bitrate 20000]
              [--encoder x264] [--set key=value] [--json FILE] [--compare FILE] [--against HOST]

The client stores what comes and decodes after the run, so that decoding does not take the host's processor. Figures are
those of docs/architecture.md, "What is measured"; "-" where a scene has none. Absolute times of one run mean little:
look at ratios. --compare: to an earlier run. --against: to another host, whose runs alternate with this one's; on a
noisy machine only this says something. Its ratios are medians of those of each pair of runs.

The host runs with log_level debug, which adds one line a second: each picture's latency, display to last packet.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness  # noqa: E402

SCENES = "still,type,composited,scroll,video"
SIZES = "1280x720,1920x1080,2560x1440"
COLUMNS = (  # key, heading, digits; more figures are in the JSON
    ("painted_fps", "painted/s", 1), ("received_fps", "received/s", 1), ("share", "shown/painted", 3),
    ("host_p50", "host p50 ms", 1), ("host_p95", "p95", 1), ("host_p99", "p99", 1), ("age_p50", "age p50 ms", 1),
    ("age_p99", "p99", 1), ("gaps", "gaps", 0), ("distance_p99", "distance p99 ms", 1), ("cores", "host cores", 3),
    ("memory_mb", "memory MB", 0), ("first_ms", "first ms", 0), ("kbps", "kbit/s", 0))
STAGES = ("fetch", "convert", "encode", "packetise", "send")
WARM_UP_S = 2
SPARE_S = 4  # the scene ends by itself, later than the stream: only then its log is whole
CODE_NS = 250_000  # a unit of the time code
REFERENCES = ("--one-reference",)  # what stock clients ask for with H.264, but for some phones


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--scenes", default=SCENES, help="also: static, windows")
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--fps", type=int, default=60)
    parser.add_argument("--bitrate", type=int, default=20000)
    parser.add_argument("--slices", type=int, default=1)
    parser.add_argument("--encoder", default="x264")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="audio is off unless set")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--compare", metavar="FILE", help="JSON of an earlier run: adds ratios new/old")
    parser.add_argument("--against", metavar="HOST", help="another host, run in turn with --host: adds its rows, ratios")
    parser.add_argument("--host", default=harness.EARTHSHINE, help="release build of earthshine")
    parser.add_argument("--client", default=harness.ES_CLIENT)
    parser.add_argument("--scene-program", default=harness.ES_SCENE)
    options = parser.parse_args()
    programs = [("--host", options.host), ("--client", options.client), ("--scene-program", options.scene_program)]
    for name, path in programs + ([("--against", options.against)] if options.against else []):
        if not os.access(path, os.X_OK):
            parser.error(f"{name}: no such program: {path!r} (or set EARTHSHINE, ES_CLIENT, ES_SCENE)")
    harness.ES_CLIENT, harness.ES_SCENE = options.client, options.scene_program
    return options


# --- one run ---

def read_painted(path):
    """Monotonic times at which the scene painted."""
    with open(path, encoding="ascii") as file:
        return [int(line.split()[2]) for line in file if len(line.split()) == 3]


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def host_figures(log):
    """From the host's log of the steady part: latency of each picture; medians over seconds of each stage's p50, p99."""
    latencies = [int(us) / 1000 for line in re.findall(r"latencies us([ \d]+)", log) for us in line.split()]
    found = {f"host_p{share}": percentile(latencies, share / 100) for share in (50, 95, 99)}
    for stage in STAGES:
        seconds = re.findall(rf"\b{stage} ([\d.]+)/([\d.]+)/[\d.]+", log)
        for name, column in (("p50", 0), ("p99", 1)):
            values = [float(second[column]) for second in seconds]
            found[f"{stage}_{name}"] = statistics.median(values) if values else None
    return found


def picture_figures(entries, painted, fps):
    """Of the steady part: everything from WARM_UP_S after the first picture, as the client saw it."""
    start, end = entries[0]["last_ns"] + WARM_UP_S * 10**9, entries[-1]["last_ns"]
    seconds = (end - start) / 1e9
    steady = [e for e in entries if e["last_ns"] >= start]
    seen = {at // CODE_NS for at in painted if start <= at <= end}  # time codes
    new = [e for e in steady if e["latency_100us"]]  # no repeats
    ages = [e["age_ms"] for e in new if "age_ms" in e]
    shown = {e["last_ns"] // CODE_NS - round(e["age_ms"] * 1e6 / CODE_NS) for e in steady if "age_ms" in e}
    distances = [(b["last_ns"] - a["last_ns"]) / 1e6 for a, b in zip(new, new[1:])]
    moves = len(seen) > seconds * fps / 2  # else distances are the scene's
    return {"painted_fps": len(seen) / seconds, "received_fps": len(steady) / seconds,
            "share": len(shown & seen) / len(seen) if seen else None, "new_fps": len(new) / seconds,
            "age_p50": percentile(ages, 0.5), "age_p99": percentile(ages, 0.99),
            "gaps": sum(d > 1500 / fps for d in distances) if moves else None,
            "distance_p99": percentile(distances, 0.99) if moves else None}


def stream_figures(report):
    rates = report["kbps"][WARM_UP_S:-1] or report["kbps"]
    return {"first_ms": report["first_picture_ms"], "kbps": statistics.mean(rates), "lost": report["frames_lost"],
            "idr": report["idr"], "decode_errors": report["decoded"]["errors"]}


def watch_host(options, host):
    """Figures of the host itself, from now, for as long as the steady part lasts but its end."""
    log_at, cpu, at = len(host.log()), host.cpu_s(), time.monotonic()
    time.sleep(max(0.5, options.seconds - 1))
    cores = (host.cpu_s() - cpu) / (time.monotonic() - at)
    return {"cores": cores, "memory_mb": host.memory_kb() / 1024, **host_figures(host.log()[log_at:])}


def measure(options, display, host, client, scene):
    with tempfile.TemporaryDirectory(prefix="es-bench-") as folder:
        log, index = os.path.join(folder, "painted"), os.path.join(folder, "index")
        total = options.seconds + WARM_UP_S
        painter = harness.Scene(display, scene, int(total) + SPARE_S, options.fps, ("--log", log))
        stream = None
        try:
            stream = client.stream_start("--width", display.width, "--height", display.height, "--fps", options.fps,
                                         "--bitrate", options.bitrate, "--slices", options.slices, "--seconds", total,
                                         "--timecodes", "--index", index, "--quit", *REFERENCES).wait_streaming()
            time.sleep(WARM_UP_S)
            figures = watch_host(options, host)
            report = stream.report(600)
            painter.process.wait(60)
        finally:
            painter.stop()
            if stream and stream.process.poll() is None:
                stream.dispose()
        if report["exit"]:
            raise SystemExit(f"{scene}: {report['error']}\n{host.log_tail()}")
        entries = [e for e in harness.read_index(index) if e["delivered"]]
        return {**figures, **picture_figures(entries, read_painted(log), options.fps), **stream_figures(report)}


def run_once(options, program, display, scene):
    settings = {"encoder": options.encoder, "audio": "off", "log_level": "debug"}
    settings.update(pair.split("=", 1) for pair in options.set)
    harness.EARTHSHINE = program
    host = harness.Host(display, settings)
    client = harness.Client(host)
    try:
        client.pair()
        return measure(options, display, host, client, scene)
    finally:
        client.forget()
        host.stop()


# --- many runs ---

def medians(rows):
    """Of each figure over those rows that have it; None when none has."""
    values = {key: [row[key] for row in rows if row[key] is not None] for key in rows[0]}
    return {key: statistics.median(found) if found else None for key, found in values.items()}


def ratios(new, old):
    return {key: new[key] / old[key] if new[key] is not None and old.get(key) else None for key in new}


def run_all(options):
    """{program: {"SCENE SIZE": [figures of each run]}}; the runs of two hosts alternate."""
    programs = [options.host] + ([options.against] if options.against else [])
    runs = {program: {} for program in programs}
    for size in options.sizes.split(","):
        display = harness.Display(*map(int, size.split("x")))
        try:
            for scene in options.scenes.split(","):
                for _ in range(options.runs):
                    for program in programs:
                        row = run_once(options, program, display, scene)
                        runs[program].setdefault(f"{scene} {size}", []).append(row)
                print(f"{scene} {size} done", file=sys.stderr, flush=True)
        finally:
            display.stop()
    return runs


def cells(row):
    return " | ".join("-" if row.get(key) is None else f"{row[key]:.{digits}f}" for key, _, digits in COLUMNS)


def ratio_cells(row):
    return " | ".join("-" if row.get(key) is None else f"{row[key]:.2f}" for key, _, _ in COLUMNS)


def print_table(document, old):
    print("| scene | " + " | ".join(heading for _, heading, _ in COLUMNS) + " |")
    print("| --- |" + " ---: |" * len(COLUMNS))
    for name, row in document["results"].items():
        print(f"| {name} | {cells(row)} |")
        if "against" in document:
            print(f"| … against | {cells(document['against']['results'][name])} |")
            print(f"| … ratio host/against | {ratio_cells(document['against']['ratios'][name])} |")
        if name in old:
            print(f"| … ratio new/old | {ratio_cells(ratios(row, old[name]))} |")


def version(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()


def make_document(options, runs):
    document = {"version": version(options.host), "runs": options.runs, "seconds": options.seconds,
                "fps": options.fps, "bitrate_kbps": options.bitrate, "encoder": options.encoder,
                "cores": os.cpu_count()}
    document["results"] = {name: medians(rows) for name, rows in runs[options.host].items()}
    document["each_run"] = runs[options.host]
    if options.against:
        others = runs[options.against]
        document["against"] = {
            "version": version(options.against), "results": {name: medians(rows) for name, rows in others.items()},
            "ratios": {name: medians([ratios(a, b) for a, b in zip(rows, others[name])])
                       for name, rows in runs[options.host].items()},
            "each_run": others}
    return document


def main():
    options = parse_arguments()
    old = {}
    if options.compare:
        with open(options.compare, encoding="utf-8") as file:
            old = json.load(file)["results"]
    document = make_document(options, run_all(options))
    print_table(document, old)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
    else:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
