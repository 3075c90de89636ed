# SPDX-License-Identifier: Apache-2.0
"""Execs of `sh -c "exit 7"`, one after the other, as fast as they come.

execs.py SOCKET ID FILE

FILE gets a byte for each that ended well, until there is a FILE.stop.  Then
prints how many a second there were, and succeeds; at the first that does not
begin, or ends with another status, says so and fails.
"""
import importlib
import os
import sys
import time

common = importlib.import_module("exec")
PROCESS = (b'{"user":{"uid":0,"gid":0},"args":["sh","-c","exit 7"],'
           b'"env":["PATH=/bin"],"cwd":"/"}')
TYPE = b"types.containerd.io/opencontainers/runtime-spec/1/Process"


def main():
    path, who, file = sys.argv[1:]
    shim = common.Shim(path, who, "")
    spec = common.text(7, common.text(1, TYPE) + common.text(2, PROCESS))
    n, began = 0, time.monotonic()
    try:
        with open(file, "ab", buffering=0) as f:
            while not os.path.exists(file + ".stop"):
                both = shim.id + common.text(2, b"x%d" % n)
                shim.call("Exec", both + spec)
                shim.call("Start", both)
                status = shim.call("Wait", both).get(1, 0)
                if status != 7:
                    raise common.Failed("exec %d: status %d" % (n, status))
                shim.call("Delete", both)
                f.write(b".")
                n += 1
    except common.Failed as e:
        print(e)
        sys.exit(1)
    print("%.0f" % (n / (time.monotonic() - began)))


main()
