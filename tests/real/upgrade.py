# SPDX-License-Identifier: Apache-2.0
"""Have a running shim execute a successor, again and again.

upgrade.py SOCKET TIMES [FILE [MORE BYTES]]

Before each, the file MORE grows by BYTES: something else has gone on.

Prints how long nobody was served, in microseconds: "TIMES MEDIAN P99 MAX", or
"Upgrade: CODE TEXT" and exits with 1.  It is one process throughout.
"""
import importlib
import os
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


def wait_for(file, size):
    end = time.monotonic() + common.HANG
    while os.path.getsize(file) < size:
        if time.monotonic() > end:
            raise common.Failed("%s grows no more" % file)
        time.sleep(0.001)


def main():
    path, times = sys.argv[1], int(sys.argv[2])
    file = sys.argv[3] if len(sys.argv) > 3 else ""
    more, size = sys.argv[4:6] if len(sys.argv) > 5 else ("", 0)
    shim = Shim(path)
    took = []
    try:
        for i in range(times):
            if more:
                wait_for(more, (i + 1) * int(size))
            reply = shim.call("Upgrade", common.text(1, file.encode())
                              if file else b"")
            took.append(reply[3] // 1000)
    except common.Failed as e:
        print("after %d: %s" % (len(took), e))
        sys.exit(1)
    took.sort()
    print(times, took[len(took) // 2], took[len(took) * 99 // 100], took[-1])


main()
