# SPDX-License-Identifier: Apache-2.0
"""A client that takes more than its share of a shim; it says a line when it
has done what it can, and holds on until its input ends.

greedy.py idle SOCKET N        N connections that ask nothing
greedy.py unread SOCKET ID     requests for an exec of ID, each of whose answers
                               is a megabyte, and none is read
"""
import socket
import struct
import sys


def text(number, value):
    head, left = bytearray([number << 3 | 2]), len(value)
    while left > 127:
        head.append(left & 127 | 128)
        left >>= 7
    return bytes(head) + bytes([left]) + value


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(path)
    return s


def request(stream, method, payload):
    body = (text(1, b"containerd.task.v2.Task") + text(2, method) +
            text(3, payload))
    return struct.pack(">IIBB", len(body), stream, 1, 0) + body


def unread(s, container):
    """An exec that says where its output goes in very many words; then its
    State, until nothing more is taken or a thousand were."""
    both = text(1, container) + text(2, b"e")
    spec = (text(1, b"types.containerd.io/opencontainers/runtime-spec/1/"
                 b"Process") + text(2, b'{"args":["true"],"cwd":"/"}'))
    s.sendall(request(1, b"Exec", both + text(5, b"/" + b"y" * 1000000) +
                      text(7, spec)))
    size, stream, kind, _ = struct.unpack(">IIBB", s.recv(10, socket.MSG_WAITALL))
    assert (size, stream, kind) == (0, 1, 2), s.recv(size)
    try:
        for first in range(3, 2000, 200):
            s.sendall(b"".join(request(n, b"State", both)
                               for n in range(first, first + 200, 2)))
    except OSError:
        pass


held = []
if sys.argv[1] == "idle":
    for _ in range(int(sys.argv[3])):
        held.append(connect(sys.argv[2]))
else:
    held.append(connect(sys.argv[2]))
    unread(held[0], sys.argv[3].encode())
print("done", flush=True)
sys.stdin.read()
