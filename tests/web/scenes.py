# SPDX-License-Identifier: Apache-2.0
"""What a host's status says, for the tests of the page: members of it, as the host makes them."""
import copy
import time


XTEST = {"name": "xtest", "usable": True, "reason": "", "can": ["keyboard", "text", "mouse", "pointer"]}
UINPUT = {"name": "uinput", "usable": True, "reason": "",
          "can": ["keyboard", "text", "mouse", "pointer", "touch", "pen"]}
NO_UINPUT = {"name": "uinput", "usable": False, "reason": "/dev/uinput does not exist: load the module uinput", "can": []}


def sound(sink="Built-in Audio Analog Stereo", sentence="", channels=2, silenced=False):
    return {"backend": "pulse", "sink": sink, "sentence": sentence, "channels": channels, "silenced": silenced,
            "reconnects": 0, "dropped_frames": 0, "silent_frames": 0}


def wall_ms():
    return int(time.time() * 1000)


def mode(state="as found", wished="", sentence="", **counters):
    return {"state": state, "wished": wished, "sentence": sentence,
            **{"switches": 0, "refusals": 0, "reverts": 0, **counters}}


APPLIED = mode("applied", "2560x1440@60", switches=1)

FOUND = {
    "capturing": True, "source": "x11 :0 DP-1", "width": 2560, "height": 1440, "sentence": "", "reconnects": 0,
    "mode": APPLIED, "awake": True,
    "candidates": [
        {"name": ":0", "reason": "active session of anna", "chosen": True},
        {"name": ":1", "reason": "the login screen: nobody is logged in there", "chosen": False},
        {"name": ":1024", "reason": "Xwayland: shows single windows only, not the desktop", "chosen": False},
    ],
}

LOST = {
    "capturing": False, "source": "", "width": 0, "height": 0, "reconnects": 2, "mode": mode(), "awake": False,
    "sentence": "No desktop was found yet. Log in at the screen, or set virtual_display.",
    "candidates": [{"name": ":0", "reason": "does not answer: its socket refuses connections", "chosen": False}],
}

OWN = {
    "capturing": True, "source": "x11 :91 DUMMY0", "width": 2560, "height": 1440, "sentence": "", "reconnects": 1,
    "mode": APPLIED, "awake": True, "candidates": [],
}

DESKTOP = {
    "server": "Xorg", "display": ":91", "width": 2560, "height": 1440, "state": "running", "sentence": "",
    "server_restarts": 1,
    "session": {
        "command": "startxfce4", "user": "anna", "state": "running", "restarts": 2,
        "last_end": "signal 11 (Segmentation fault)",
        "output": "/usr/bin/startxfce4: Starting X server is not needed\n"
                  "xfce4-session: Querying suspend failed: no logind\n"
                  "(xfwm4:2114): xfwm4-WARNING **: Unsupported GL renderer (llvmpipe).\n"
                  "(xfce4-panel:2140): Gtk-WARNING **: Theme parsing error: gtk.css:12:3\n",
    },
}

APPS = [
    {"name": "Desktop", "id": 881448767, "command": "", "state": "idle", "sentence": "", "output": ""},
    {"name": "Steam", "id": 1093255277, "command": "steam -bigpicture", "state": "running", "sentence": "",
     "output": "Steam client is up to date.\n"},
    {"name": "Emulator", "id": 227340431, "command": "/opt/emulator/run --fullscreen", "state": "ended",
     "sentence": "The command for connect (\"lights.sh off\") was ended after 10 s: it had not finished.",
     "output": "lights.sh: waiting for bridge.local\n"},
]


def session(ident, client, **more):
    return {
        "id": ident, "client": client, "address": "192.168.1.34", "state": "streaming", "width": 2560, "height": 1440,
        "fps": 60.0, "encoder": "x264", "codec": "h264", "rate_fps": 59.9, "kbps": 18432, "latency_p50_ms": 7.3,
        "latency_p99_ms": 12.0, "loss_percent": 0.02, "since_ms": wall_ms() - 42 * 60000, "dropped": 3,
        "rate_reason": "", "app": "Desktop", "owns_mode": False, **more,
    }


def two_sessions():
    return [
        session("s1", "Living-room TV", app="Steam", owns_mode=True),
        session("s2", "Steam Deck", address="192.168.1.52", width=1280, height=800, rate_fps=29.8, kbps=6150,
                latency_p50_ms=9.1, latency_p99_ms=15.4, loss_percent=1.34, since_ms=wall_ms() - 4 * 60000, app="Steam",
                rate_reason="At most 30 pictures a second: two software encodes at 60 are more than this host's "
                            "processor can do."),
    ]


def stages(encode_hangs=0, ago_ms=180000, state="fine"):
    return [{"name": "capture", "state": "fine", "hangs": 0, "last_ms": 0, "last_at_ms": 0, "restarts": True},
            {"name": "control", "state": "fine", "hangs": 0, "last_ms": 0, "last_at_ms": 0, "restarts": False},
            {"name": "encode", "state": state, "hangs": encode_hangs, "last_ms": 2400 if encode_hangs else 0,
             "last_at_ms": wall_ms() - ago_ms if encode_hangs else 0, "restarts": True}]


def private_display():
    """A private display, two streams, an app that runs, a stage that hung."""
    return copy.deepcopy({"display": OWN, "desktop": DESKTOP, "apps": APPS, "stages": stages(1), "inhibit": "held",
                          "sessions": two_sessions(), "audio": sound("Earthshine", silenced=True),
                          "input": {"active": "xtest", "injectors": [NO_UINPUT, XTEST]}})


def found_display():
    return copy.deepcopy({"display": FOUND, "desktop": None, "apps": APPS[:1], "stages": stages(), "inhibit": "held",
                          "sessions": [session("s1", "Living-room TV", owns_mode=True)]})


X_LOG = """[    12.004] X.Org X Server 1.21.1.7
[    12.004] X Protocol Version 11, Revision 0
[    12.011] (==) Using config file: "/run/earthshine/xorg.conf"
[    12.031] (II) LoadModule: "dummy"
[    12.032] (II) DUMMY: Driver for Dummy chipsets: dummy
[    12.040] (II) DUMMY(0): Chipset is a DUMMY
[    12.040] (--) DUMMY(0): VideoRAM: 262144 kByte
[    12.041] (==) DUMMY(0): Depth 24, (==) framebuffer bpp 32
[    12.042] (II) DUMMY(0): Virtual size is 2560x1440 (pitch 2560)
[    12.058] (EE) Failed to load module "glx" (module does not exist, 0)
[    12.101] (II) Initializing extension RANDR
"""
