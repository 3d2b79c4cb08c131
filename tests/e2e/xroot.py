# SPDX-License-Identifier: Apache-2.0
"""Colour and pointer shape of an X display's root window, by the X protocol itself: no tool for it is needed."""
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


def fill(number, colour):
    """The root window of display `number` in one colour (0xRRGGBB), with an arrow as pointer."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(f"/tmp/.X11-unix/X{number}")
        link.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        status, _, _, _, words = struct.unpack("<BBHHH", receive(link, 8))
        setup = receive(link, 4 * words)
        if status != 1:
            raise OSError("the X server refuses us")
        base, = struct.unpack_from("<I", setup, 4)
        vendor, = struct.unpack_from("<H", setup, 16)
        formats = setup[21]
        root, = struct.unpack_from("<I", setup, 32 + len(pad(b"\0" * vendor)) + 8 * formats)
        font, cursor = base + FONT, base + CURSOR
        name = b"cursor"
        link.sendall(struct.pack("<BxHIHxx", 45, 3 + len(pad(name)) // 4, font, len(name)) + pad(name))  # OpenFont
        link.sendall(struct.pack("<BxHIIIHHHHHHHH", 94, 8, cursor, font, font, LEFT_PTR, LEFT_PTR + 1, 0, 0, 0,
                                 0xFFFF, 0xFFFF, 0xFFFF))  # CreateGlyphCursor: black, white rim
        link.sendall(struct.pack("<BxHIIII", 2, 5, root, 0x2 | 0x4000, colour, cursor))  # ChangeWindowAttributes
        link.sendall(struct.pack("<BBHIhhHH", 61, 0, 4, root, 0, 0, 0, 0))  # ClearArea
        link.sendall(struct.pack("<BxH", 43, 1))  # GetInputFocus: its reply says that all is done
        kind = receive(link, 32)[0]
        if kind != 1:
            raise OSError("the X server reports an error")
