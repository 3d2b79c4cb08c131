# SPDX-License-Identifier: Apache-2.0
"""Colour, pointer shape and motion on an X display's root window, by the X protocol itself: no tool for it is needed."""
import socket
import struct

FONT, CURSOR = 1, 2  # offsets into our resource ids
LEFT_PTR = 68  # glyph of the font "cursor"; its mask is the next one


def pad(data):
    return data + b"\0" * (-len(data) % 4)


def receive(link, size):
    data = b""
    while len(data) < size:
        more = link.recv(size - len(data))
        if not more:
            raise OSError("the X server closed the connection")
        data += more
    return data


class Root:
    """A connection to display `number` and its root window. `cookie`: the 16 bytes it asks for, if any."""

    def __init__(self, number, limit_s=20, cookie=b""):
        self.link, self.cookie = socket.socket(socket.AF_UNIX), cookie
        try:
            self.link.settimeout(limit_s)
            self.link.connect(f"/tmp/.X11-unix/X{number}")
            self._greet()
        except BaseException:
            self.link.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def _greet(self):
        name = b"MIT-MAGIC-COOKIE-1" if self.cookie else b""
        self.link.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(self.cookie)) + pad(name) +
                          pad(self.cookie))
        status, _, _, _, words = struct.unpack("<BBHHH", receive(self.link, 8))
        setup = receive(self.link, 4 * words)
        if status != 1:
            raise OSError("the X server refuses us")
        self.base, = struct.unpack_from("<I", setup, 4)
        vendor, = struct.unpack_from("<H", setup, 16)
        formats = setup[21]
        self.root, = struct.unpack_from("<I", setup, 32 + len(pad(b"\0" * vendor)) + 8 * formats)

    def reply(self):
        answer = receive(self.link, 32)
        while answer[0] == 34:  # MappingNotify goes to everybody
            answer = receive(self.link, 32)
        if answer[0] != 1:
            raise OSError("the X server reports an error")
        return answer

    def keys_down(self):
        """The keycodes that are down."""
        self.link.sendall(struct.pack("<BBH", 44, 0, 1))
        bits = receive(self.link, 40)[8:]
        return [code for code in range(256) if bits[code // 8] >> code % 8 & 1]

    def sync(self):
        self.link.sendall(struct.pack("<BxH", 43, 1))  # GetInputFocus: its reply says that all is done
        self.reply()

    def fill(self, colour):
        """One colour (0xRRGGBB), with an arrow as pointer."""
        font, cursor = self.base + FONT, self.base + CURSOR
        name = b"cursor"
        self.link.sendall(
            struct.pack("<BxHIHxx", 45, 3 + len(pad(name)) // 4, font, len(name)) + pad(name) +  # OpenFont
            struct.pack("<BxHIIIHHHHHHHH", 94, 8, cursor, font, font, LEFT_PTR, LEFT_PTR + 1, 0, 0, 0, 0xFFFF, 0xFFFF,
                        0xFFFF) +  # CreateGlyphCursor: black, white rim
            struct.pack("<BxHIIII", 2, 5, self.root, 0x2 | 0x4000, colour, cursor) +  # ChangeWindowAttributes
            struct.pack("<BBHIhhHH", 61, 0, 4, self.root, 0, 0, 0, 0))  # ClearArea
        self.sync()

    def xtest(self):
        """The opcode of XTEST."""
        name = b"XTEST"
        self.link.sendall(struct.pack("<BxHHxx", 98, 2 + len(pad(name)) // 4, len(name)) + pad(name))  # QueryExtension
        answer = self.reply()
        if not answer[8]:
            raise OSError("the X server has no XTEST")
        return answer[9]

    def move_pointer(self, xtest, x, y):
        """As a mouse would: by the event of a device."""
        self.link.sendall(struct.pack("<BBHBBxxIIxxxxxxxxhhxxxxxxxB", xtest, 2, 9, 6, 0, 0, self.root, x, y, 0))
        self.sync()

    def warp_pointer(self, x, y):
        """As a program does: no device has moved."""
        self.link.sendall(struct.pack("<BxHIIhhHHhh", 41, 6, 0, self.root, 0, 0, 0, 0, x, y))
        self.sync()

    def pointer(self):
        """Where it is on the root window, and the mask of buttons and modifiers that are down (1 << 8: button 1)."""
        self.link.sendall(struct.pack("<BxHI", 38, 2, self.root))  # QueryPointer
        return struct.unpack_from("<hhxxxxH", self.reply(), 16)

    def keys(self):
        """The keycodes that are down."""
        self.link.sendall(struct.pack("<BxH", 44, 1))  # QueryKeymap: 8 bytes more than a reply without data
        bits = self.reply()[8:] + receive(self.link, 8)
        return {code for code in range(256) if bits[code // 8] >> code % 8 & 1}


def answers(number):
    """Does the display greet a new connection?"""
    try:
        with Root(number, 0.5):
            return True
    except OSError:
        return False


def fill(number, colour):
    """The root window of display `number` in one colour (0xRRGGBB), with an arrow as pointer."""
    with Root(number) as root:
        root.fill(colour)
