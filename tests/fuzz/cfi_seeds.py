#!/usr/bin/python3
"""Seeds for fuzz_cfi.c: the unwind sections of small ELF files. usage: cfi_seeds.py FOLDER ELF..."""
import os
import struct
import sys

MAX_BYTES = 20000


def sections(data):
    """name -> (offset, size) of a 64-bit little-endian ELF file"""
    start, = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3a)
    headers = [struct.unpack_from("<IIQQQQ", data, start + i * size) for i in range(count)]
    table = headers[names][4]
    return {data[table + h[0]:data.index(b"\0", table + h[0])].decode(): (h[4], h[5]) for h in headers}


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for path in sys.argv[2:]:
        with open(path, "rb") as source:
            data = source.read()
        found = sections(data) if data[:6] == b"\x7fELF\x02\x01" else {}
        if ".eh_frame_hdr" not in found or ".eh_frame" not in found:
            continue
        header, frames = found[".eh_frame_hdr"], found[".eh_frame"]
        seed = struct.pack("<H", min(header[1], 0xffff)) + data[header[0]:frames[0] + frames[1]]
        if len(seed) <= MAX_BYTES:
            with open(os.path.join(folder, os.path.basename(path)), "wb") as out:
                out.write(seed)


main()
