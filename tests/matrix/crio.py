#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A pod as CRI-O runs it with runtime_type = "vm", a line a step: each container
has a `start` of its own, without TTRPC_ADDRESS and with an empty -address; its
root file system is mounted already and is named in config.json; the address is
plain text; nobody runs `delete`."""

import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

SHIM, RUNSC_TOML, ROOTFS, TOP, CGROUP = sys.argv[1:]
SECONDS = 30
CREATED, RUNNING, STOPPED = 1, 2, 3
NOT_FOUND = 5
FAILED_PRECONDITION, UNIMPLEMENTED = 9, 12


class Wrong(Exception):
    pass


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(f"{text} (code {code})")
        self.code = code


def want(got, expected):
    if got != expected:
        raise Wrong(f"{got!r}, not {expected!r}")


# Protobuf, as far as the Task service needs it.

def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def message(**fields):
    """f1=..., f3=...: strings, bytes and numbers; what is empty is left out."""
    out = b""
    for name, value in fields.items():
        number = int(name[1:])
        if isinstance(value, str):
            value = value.encode()
        if not value:
            continue
        if isinstance(value, bytes):
            out += varint(number << 3 | 2) + varint(len(value)) + value
        else:
            out += varint(number << 3) + varint(int(value))
    return out


def fields_of(data):
    out = {}
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            value = number()
        elif tag & 7 == 1:
            value = data[at:at + 8]
            at += 8
        else:
            want(tag & 7, 2)
            n = number()
            value = data[at:at + n]
            at += n
        out[tag >> 3] = value
    return out


class Task:
    """A connection to a shim; calls may be made by several threads."""

    def __init__(self, address):
        want(address.startswith("unix://"), True)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(address[7:])
        self.lock = threading.Condition()
        self.stream = -1
        self.replies = {}
        self.closed = False
        threading.Thread(target=self.read, daemon=True).start()

    def exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.sock.recv(n - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def read(self):
        try:
            while True:
                n, stream, _, _ = struct.unpack(">IIBB", self.exactly(10))
                data = fields_of(self.exactly(n))
                with self.lock:
                    self.replies[stream] = data
                    self.lock.notify_all()
        except (EOFError, OSError):
            with self.lock:
                self.closed = True
                self.lock.notify_all()

    def call(self, method, payload):
        data = message(f1="containerd.task.v2.Task", f2=method, f3=payload)
        with self.lock:
            self.stream += 2
            stream = self.stream
            self.sock.sendall(struct.pack(">IIBB", len(data), stream, 1, 0) +
                              data)
            if not self.lock.wait_for(
                    lambda: stream in self.replies or self.closed, SECONDS):
                raise Wrong(f"{method} is not answered")
            if stream not in self.replies:
                raise Wrong(f"{method}: the connection is closed")
            reply = self.replies.pop(stream)
        status = fields_of(reply.get(1, b""))
        if status.get(1):
            raise Refused(status[1], status.get(2, b"").decode())
        return fields_of(reply.get(2, b""))

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Reader(threading.Thread):
    """A FIFO's reader, opened before the shim opens it."""

    def __init__(self, path):
        super().__init__(daemon=True)
        os.mkfifo(path, 0o700)
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        # So that there is a writer until the shim has opened it.
        self.hold = os.open(path, os.O_WRONLY)
        os.set_blocking(self.fd, True)
        self.data = b""
        self.start()

    def run(self):
        while True:
            piece = os.read(self.fd, 65536)
            if not piece:
                break
            self.data += piece
        os.close(self.fd)

    def opened(self):
        os.close(self.hold)

    def all(self):
        self.join(SECONDS)
        want(self.is_alive(), False)
        return self.data


class Container:
    def __init__(self, cid, pod, args, tty=False, stdin=False):
        self.id = cid
        self.pod = pod
        self.tty = tty
        self.bundle = f"{TOP}/bundles/{cid}"
        self.execs = 0
        os.makedirs(self.bundle)
        root = f"{TOP}/roots/{cid}"
        subprocess.run(["cp", "-al", ROOTFS, root], check=True)
        kind = "container" if pod else "sandbox"
        self.process = {
            "terminal": tty, "user": {"uid": 0, "gid": 0}, "args": args,
            "env": ["PATH=/bin"], "cwd": "/"}
        spec = {
            "ociVersion": "1.0.2", "process": self.process,
            "root": {"path": root, "readonly": False}, "hostname": "crio",
            "mounts": [{"destination": "/proc", "type": "proc",
                        "source": "proc"}],
            "annotations": {
                "io.kubernetes.cri-o.ContainerType": kind,
                "io.kubernetes.cri-o.SandboxID": pod or cid},
            "linux": {"cgroupsPath": f"{CGROUP}/crio-{cid}",
                      "namespaces": [{"type": t} for t in
                                     ("pid", "ipc", "uts", "mount",
                                      "network")]}}
        with open(f"{self.bundle}/config.json", "w",
                  encoding="utf-8") as f:
            json.dump(spec, f)
        self.log = self.bundle + "/log"
        os.mkfifo(self.log, 0o700)
        self.log_fd = os.open(self.log, os.O_RDONLY | os.O_NONBLOCK)
        env = dict(os.environ, TTRPC_ADDRESS="", GOMAXPROCS="2")
        r = subprocess.run(
            [SHIM, "-namespace", "default", "-address", "",
             "-publish-binary", "/bin/crio", "-id", cid, "start"],
            cwd=self.bundle, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            timeout=SECONDS)
        self.address = r.stdout.decode().strip()
        if r.returncode:
            raise Wrong(f"start: {self.address}")
        self.task = Task(self.address)
        io = f"{TOP}/fifo/{cid}"
        os.makedirs(io)
        self.stdout = Reader(io + "/out")
        self.stderr = None if tty else Reader(io + "/err")
        self.stdin = io + "/in" if stdin else ""
        if stdin:
            os.mkfifo(self.stdin, 0o700)
            self.stdin_fd = os.open(self.stdin, os.O_RDWR | os.O_NONBLOCK)
        options = message(f1="runtimeoptions.v1.Options",
                          f2=message(f2=RUNSC_TOML))
        try:
            self.pid = self.call(
                "Create", f2=self.bundle, f4=tty, f5=self.stdin,
                f6=io + "/out", f7="" if tty else io + "/err",
                f10=options).get(1, 0)
        finally:
            self.stdout.opened()
            if self.stderr:
                self.stderr.opened()

    def call(self, method, **fields):
        return self.task.call(method, message(f1=self.id, **fields))

    def state(self):
        return self.call("State").get(4)

    def wait(self, exec_id=""):
        return self.call("Wait", f2=exec_id).get(1, 0)

    def alive(self):
        """How CRI-O asks for that."""
        try:
            self.call("Kill", f3=0)
            return True
        except Refused:
            return False

    def exec(self, *args, seconds=None):
        """Its status, stdout and stderr; the status None: time-out."""
        self.execs += 1
        eid = f"e{self.execs}"
        io = f"{TOP}/fifo/{self.id}/{eid}"
        os.makedirs(io)
        out, err = Reader(io + "/out"), Reader(io + "/err")
        spec = message(
            f1="types.containerd.io/opencontainers/runtime-spec/1/Process",
            f2=json.dumps(dict(self.process, args=list(args),
                               terminal=False)))
        try:
            self.call("Exec", f2=eid, f5=io + "/out", f6=io + "/err",
                      f7=spec)
            self.call("Start", f2=eid)
        finally:
            out.opened()
            err.opened()
        if seconds:
            time.sleep(seconds)
            self.call("Kill", f2=eid, f3=9)
        status = self.wait(eid)
        self.call("Delete", f2=eid)
        return status, out.all(), err.all()

    def delete(self):
        self.call("Delete")
        try:
            self.call("Shutdown")
        except Wrong:
            pass
        self.task.close()
        os.close(self.log_fd)
        # CRI-O's own, not the shim's.
        shutil.rmtree(self.bundle)


def until(f, seconds=10):
    end = time.time() + seconds
    while not f():
        if time.time() > end:
            return False
        time.sleep(0.05)
    return True


# Steps.

POD = "podpodpod"


def make_pod():
    global pod
    pod = Container(POD, None, ["/bin/sleep", "100000"])
    want(pod.state(), CREATED)
    want(pod.pid > 0, True)
    pod.call("Start")
    want(pod.state(), RUNNING)
    with open(pod.bundle + "/address", encoding="utf-8") as f:
        want(f.read(), pod.address)


def make_container():
    global main
    main = Container("main", POD, [
        "/bin/sh", "-c", "trap 'exit 9' TERM; echo started; echo oops >&2;"
        "while :; do sleep 0.1; done"])
    want(main.address, pod.address)
    main.call("Start")
    want(main.state(), RUNNING)
    want(until(lambda: (main.stdout.data, main.stderr.data) ==
               (b"started\n", b"oops\n")), True)


def is_alive():
    want(pod.alive(), True)
    want(main.alive(), True)


def exec_sync():
    want(main.exec("/bin/sh", "-c", "echo out; echo err >&2; exit 3"),
         (3, b"out\n", b"err\n"))
    want(main.exec("/bin/sh", "-c", "kill -9 $$")[0], 137)
    want(b"gVisor" in main.exec("/bin/dmesg")[1], True)
    want(len(main.exec("/bin/seq", "200000")[1]), 1288895)


def exec_time_out():
    want(main.exec("/bin/sleep", "30", seconds=0.5)[0], 137)
    want(main.state(), RUNNING)


def exec_not_found():
    try:
        main.exec("/bin/not-there")
        raise Wrong("it ran")
    except Refused as e:
        want("no such file or directory" in str(e), True)
    want(main.exec("/bin/true")[0], 0)


def pause():
    """What runsc pauses is the sandbox, and the pod's first would say that it
    runs."""
    try:
        main.call("Pause")
        raise Wrong("it is paused")
    except Refused as e:
        want(e.code, FAILED_PRECONDITION)
    want(main.state(), RUNNING)
    want(main.exec("/bin/true")[0], 0)


def stats():
    reply = fields_of(main.call("Stats")[1])
    want(reply[1] in (b"io.containerd.cgroups.v1.Metrics",
                      b"io.containerd.cgroups.v2.Metrics"), True)
    want(len(reply[2]) > 0, True)


# Before 2026 runsc has no update, and the cgroup is the whole pod's: then it
# is refused, in these words, and the container goes on.
def update():
    try:
        main.call("Update", f2=message(
            f1="types.containerd.io/opencontainers/runtime-spec/1/"
            "LinuxResources",
            f2=json.dumps({"memory": {"limit": 256 << 20}})))
    except Refused as e:
        want(e.code, UNIMPLEMENTED)
        want("this runsc has no update" in str(e), True)
        print("# update: refused, this runsc has none", flush=True)
    want(main.exec("/bin/true")[0], 0)


# CRI-O comes back and knows no more than the bundle.
def reconnect():
    main.task.close()
    with open(main.bundle + "/address", encoding="utf-8") as f:
        main.task = Task(f.read().strip())
    want(main.state(), RUNNING)
    want(main.exec("/bin/echo", "on")[:2], (0, b"on\n"))


def stdin():
    c = Container("stdin", POD, ["/bin/sh", "-c", "cat; exit 4"],
                  stdin=True)
    c.call("Start")
    fd = os.open(c.stdin, os.O_WRONLY)
    os.close(c.stdin_fd)
    os.write(fd, b"a line\n")
    os.close(fd)
    c.call("CloseIO", f3=1)
    want(c.wait(), 4)
    want(c.stdout.all(), b"a line\n")
    c.delete()


def terminal():
    c = Container("terminal", POD, ["/bin/sh", "-c", "sleep 1; stty size;"
                                    "test -t 0 && exit 6"], tty=True)
    c.call("Start")
    c.call("ResizePty", f3=101, f4=33)
    want(c.wait(), 6)
    want(b"33 101" in c.stdout.all(), True)
    c.delete()


def statuses():
    for code in (0, 7, 255):
        c = Container(f"short{code}", POD, [
            "/bin/sh", "-c", f"echo bye; exit {code}"])
        c.call("Start")
        want(c.wait(), code)
        want(c.call("State").get(9, 0), code)
        want(c.stdout.all(), b"bye\n")
        want(c.alive(), False)
        c.delete()


def not_found():
    c = Container("missing", POD, ["/bin/not-there"])
    try:
        c.call("Start")
        raise Wrong("it started")
    except Refused as e:
        want("no such file or directory" in str(e), True)
    c.delete()


def stop():
    statuses_told = []
    waiter = threading.Thread(
        target=lambda: statuses_told.append(main.wait()))
    waiter.start()
    main.call("Kill", f3=int(signal.SIGTERM))
    waiter.join(SECONDS)
    want(statuses_told, [9])
    want(main.state(), STOPPED)
    main.delete()
    want(pod.state(), RUNNING)


def stop_pod():
    pod.call("Kill", f3=int(signal.SIGKILL))
    want(pod.wait(), 137)
    want(pod.alive(), False)
    path = pod.address[7:]
    want(stat.S_ISSOCK(os.stat(path).st_mode), True)
    pod.delete()
    want(until(lambda: not os.path.exists(path)), True)


def step(f):
    why = ""
    try:
        f()
    except (Wrong, Refused, OSError, KeyError,
            subprocess.SubprocessError) as e:
        why = str(e).replace("\n", " ") or repr(e)
    print(f"not ok {f.__name__}: {why}" if why else f"ok {f.__name__}",
          flush=True)
    return not why


if step(make_pod) and step(make_container):
    for each in (is_alive, exec_sync, exec_time_out, exec_not_found, pause,
                 stats, update, reconnect, stdin, terminal, statuses,
                 not_found, stop):
        step(each)
    step(stop_pod)
