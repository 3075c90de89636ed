# SPDX-License-Identifier: Apache-2.0
"""A client that takes more than its share of a shim; it says a line when it
has done what it can, and holds on until its input ends.

greedy.py idle SOCKET N        N connections that ask nothing
greedy.py unread SOCKET ID     requests for ID whose answers are never read
"""
import socket
import struct
import sys


def text(number, value):
    return bytes([number << 3 | 2, len(value)]) + value


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(path)
    return s


def requests(container):
    """State of it, on stream after stream."""
    body = (text(1, b"containerd.task.v2.Task") + text(2, b"State") +
            text(3, text(1, container.encode())))
    for stream in range(1, 2000001, 2):
        yield struct.pack(">IIBB", len(body), stream, 1, 0) + body


def unread(s, container):
    """Until nothing more is taken, or a million were."""
    try:
        batch = []
        for request in requests(container):
            batch.append(request)
            if len(batch) == 500:
                s.sendall(b"".join(batch))
                batch = []
    except OSError:
        pass


held = []
if sys.argv[1] == "idle":
    for _ in range(int(sys.argv[3])):
        held.append(connect(sys.argv[2]))
else:
    held.append(connect(sys.argv[2]))
    unread(held[0], sys.argv[3])
print("done", flush=True)
sys.stdin.read()
