# SPDX-License-Identifier: Apache-2.0
"""An exec with any process object, as a client of the shim's socket sees it.

exec.py SOCKET ID EXEC_ID [DOING...] <process.json

Prints what the process writes, first its output and then its errors, and then
its end: "status N", or where a call fails "METHOD: CODE TEXT".  DOING, in this order, after the start:
    tty            give it a terminal (first of all)
    until=TEXT     wait until it has written that
    type=TEXT      write that to its input, a \\n for a newline
    close          close its input
    size=WxH       resize its terminal
    kill=N         Kill with that signal;  all=N: of all of the container
    host=N         send the signal to its pid on the host
    name=TEXT      wait until that pid has this name
"""
import os
import select
import socket
import struct
import sys
import tempfile
import time

HANG = 120


def number(field, value):
    out = bytearray([field << 3])
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(field, value):
    head = number(field, len(value))
    return bytes([field << 3 | 2]) + head[1:] + value


def fields(data):
    """The numbers and texts of a message, by field."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        key = varint()
        if key & 7 == 2:
            size = varint()
            found[key >> 3] = data[at:at + size]
            at += size
        else:
            found[key >> 3] = varint()
    return found


class Failed(Exception):
    pass


class Shim:
    def __init__(self, path, who, exec_id):
        self.both = text(1, who.encode()) + text(2, exec_id.encode())
        self.id = text(1, who.encode())
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.stream = 1

    def send(self, method, payload):
        body = (text(1, b"containerd.task.v2.Task") +
                text(2, method.encode()) + text(3, payload))
        self.s.sendall(struct.pack(">IIBB", len(body), self.stream, 1, 0) +
                       body)
        self.stream += 2

    def take(self, method):
        head = self.s.recv(10, socket.MSG_WAITALL)
        size = struct.unpack(">IIBB", head)[0]
        reply = fields(self.s.recv(size, socket.MSG_WAITALL) if size else b"")
        status = fields(reply.get(1, b""))
        if status.get(1):
            raise Failed("%s: %d %s" % (method, status[1],
                                        status.get(2, b"").decode()))
        return fields(reply.get(2, b""))

    def call(self, method, payload):
        self.send(method, payload)
        return self.take(method)


def name_of(pid):
    with open("/proc/%d/comm" % pid) as f:
        return f.read().strip()


class Exec:
    def __init__(self, shim, process, tty):
        self.shim, self.out, self.err, self.ends = shim, b"", b"", []
        self.dir = tempfile.mkdtemp(prefix="exec-", dir=os.environ.get("T"))
        spec = (text(1, b"types.containerd.io/opencontainers/runtime-spec/1/"
                        b"Process") + text(2, process))
        asked = shim.both + (number(3, 1) if tty else b"")
        for field, name in (4, "in"), (5, "out"), (6, "err"):
            if tty and name == "err":
                continue
            path = os.path.join(self.dir, name)
            os.mkfifo(path)
            if name == "in":
                self.stdin = os.open(path, os.O_RDWR)
            else:
                self.ends.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            asked += text(field, path.encode())
        self.error = -1 if tty else self.ends[1]
        self.asked = asked + text(7, spec)

    def read(self, more=lambda: True):
        """Until more() is false or nobody writes any more."""
        end = time.monotonic() + HANG
        while self.ends and more():
            if time.monotonic() > end:
                raise Failed("hangs: %s" % self.out)
            for fd in select.select(self.ends, [], [], 1)[0]:
                data = os.read(fd, 65536)
                if fd == self.error:
                    self.err += data
                else:
                    self.out += data
                if not data:
                    self.ends.remove(fd)

    def do(self, what, value):
        shim = self.shim
        if what == "until":
            self.read(lambda: value.encode() not in self.out)
        elif what == "type":
            os.write(self.stdin, value.replace("\\n", "\n").encode())
        elif what == "close":
            os.close(self.stdin)
            shim.call("CloseIO", shim.both + number(3, 1))
        elif what == "size":
            w, h = value.split("x")
            shim.call("ResizePty", shim.both + number(3, int(w)) +
                      number(4, int(h)))
        elif what == "kill":
            shim.call("Kill", shim.both + number(3, int(value)))
        elif what == "all":
            shim.call("Kill", shim.both + number(3, int(value)) + number(4, 1))
        elif what == "host":
            os.kill(self.pid, int(value))
        elif what == "name":
            end = time.monotonic() + HANG
            while name_of(self.pid) != value:
                if time.monotonic() > end:
                    raise Failed("it is %s" % name_of(self.pid))
                time.sleep(0.01)
        else:
            raise Failed("what is %s?" % what)

    def run(self, doing):
        shim = self.shim
        shim.call("Exec", self.asked)
        try:
            self.pid = shim.call("Start", shim.both)[1]
            for one in doing:
                self.do(*(one.split("=", 1) + [""])[:2])
            shim.send("Wait", shim.both)
            self.read()
            status = shim.take("Wait").get(1, 0)
            end = "status %d" % status
        except Failed as e:
            end = str(e)
        finally:
            shim.call("Delete", shim.both)
        return end

    def leave(self):
        for name in os.listdir(self.dir):
            os.unlink(os.path.join(self.dir, name))
        os.rmdir(self.dir)


def main():
    doing = sys.argv[4:]
    tty = doing[:1] == ["tty"]
    x = Exec(Shim(*sys.argv[1:4]), sys.stdin.buffer.read(), tty)
    try:
        end = x.run(doing[tty:])
    except Failed as e:
        end = str(e)
    finally:
        x.leave()
    for said in x.out, x.err:
        sys.stdout.buffer.write(said)
        if said and not said.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
    print(end)


if __name__ == "__main__":
    main()
