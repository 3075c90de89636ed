# SPDX-License-Identifier: Apache-2.0
"""Have a running shim execute a successor, again and again.

upgrade.py SOCKET TIMES [FILE [PAUSE_MS]]

Prints how long nobody was served, in microseconds: "TIMES MEDIAN P99 MAX", or
"Upgrade: CODE TEXT" and exits with 1.  It is one process throughout.
"""
import importlib
import socket
import struct
import sys
import time

common = importlib.import_module("exec")


class Shim(common.Shim):
    def __init__(self, path):
        common.Shim.__init__(self, path, "", "")

    def send(self, method, payload):
        body = (common.text(1, b"runsc.shim.v1.Shim") +
                common.text(2, method.encode()) + common.text(3, payload))
        self.s.sendall(struct.pack(">IIBB", len(body), self.stream, 1, 0) +
                       body)
        self.stream += 2


def peer(s):
    return struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET,
                                            socket.SO_PEERCRED, 12))[0]


def main():
    path, times = sys.argv[1], int(sys.argv[2])
    file = sys.argv[3] if len(sys.argv) > 3 else ""
    pause = int(sys.argv[4]) / 1000 if len(sys.argv) > 4 else 0
    shim = Shim(path)
    took = []
    try:
        for _ in range(times):
            reply = shim.call("Upgrade", common.text(1, file.encode())
                              if file else b"")
            took.append(reply[3] // 1000)
            time.sleep(pause)
    except common.Failed as e:
        print("after %d: %s" % (len(took), e))
        sys.exit(1)
    took.sort()
    print(times, took[len(took) // 2], took[len(took) * 99 // 100], took[-1])


main()
