#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One pod's life through the CRI, a line a step: "ok NAME" or "not ok NAME:
why".  Its modules are made by cri.sh."""

import argparse
import base64
import os
import signal
import socket
import struct
import subprocess
import time
import urllib.parse

import grpc
import cri_pb2 as pb
import cri_pb2_grpc

SECONDS = 120
IMAGE = "localhost/busybox:1"


class Wrong(Exception):
    pass


def want(got, expected):
    if got != expected:
        raise Wrong(f"{got!r}, not {expected!r}")


class WebSocket:
    """Enough of one for the streams of exec and attach (v4.channel.k8s.io):
    the first byte of a message is the stream's number."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.sock = socket.create_connection(
            (parts.hostname, parts.port), timeout=20)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall((
            f"GET {parts.path}?{parts.query} HTTP/1.1\r\n"
            f"Host: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n").encode())
        self.data = b""
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.take(1)
        want(head.split(b" ")[1], b"101")

    def take(self, n):
        while len(self.data) < n:
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError
            self.data += piece
        piece, self.data = self.data[:n], self.data[n:]
        return piece

    def send(self, stream, payload):
        data = bytes([stream]) + payload
        head = (bytes([0x82, 0x80 | len(data)]) if len(data) < 126 else
                struct.pack(">BBH", 0x82, 0xfe, len(data)))
        # The mask 0 leaves it as it is.
        self.sock.sendall(head + b"\0\0\0\0" + data)

    def receive(self):
        """What came on each stream, until the other side closes."""
        streams = {}
        try:
            while True:
                opcode, n = self.take(2)
                n &= 0x7f
                if n == 126:
                    n, = struct.unpack(">H", self.take(2))
                elif n == 127:
                    n, = struct.unpack(">Q", self.take(8))
                data = self.take(n)
                if opcode & 0x0f == 8:
                    break
                if opcode & 0x0f <= 2 and data:
                    streams[data[0]] = streams.get(data[0], b"") + data[1:]
        except EOFError:
            pass
        self.sock.close()
        return streams


class Pod:
    def __init__(self, args):
        channel = grpc.insecure_channel("unix://" + args.socket)
        self.runtime = cri_pb2_grpc.RuntimeServiceStub(channel)
        self.args = args
        self.net = args.net
        # "shim": the pod's network, and the shim's own sandbox; "options": a
        # handler's options as people copy them from runc's (13.25).
        self.handler = "runsc" + {"shim": "-sandbox", "options": "-options"}.get(
            args.net, "")
        self.failed = 0
        self.logs = f"{args.dir}/{args.net}"
        os.makedirs(self.logs)
        self.namespaces = pb.NamespaceOption(
            network=pb.NODE if args.net == "host" else pb.POD,
            pid=pb.CONTAINER, ipc=pb.POD)
        security = pb.LinuxSandboxSecurityContext(
            namespace_options=self.namespaces)
        self.config = pb.PodSandboxConfig(
            metadata=pb.PodSandboxMetadata(
                name=args.net, uid="uid-" + args.net, namespace="default"),
            hostname="" if args.net == "host" else "inpod",
            log_directory=self.logs,
            dns_config=pb.DNSConfig(
                servers=["192.0.2.53", "192.0.2.54"],
                searches=["a.example", "b.example"], options=["ndots:3"]),
            linux=pb.LinuxPodSandboxConfig(
                cgroup_parent=args.cgroup, security_context=security))
        self.id = None

    def step(self, name, f, *args):
        try:
            f(*args)
            print(f"ok {self.net}/{name}", flush=True)
            return True
        except Wrong as e:
            why = str(e)
        except grpc.RpcError as e:
            why = f"{e.code().name}: {e.details()}".replace("\n", " ")
        except OSError as e:
            why = repr(e)
        print(f"not ok {self.net}/{name}: {why}", flush=True)
        self.failed += 1
        return False

    def call(self, method, **fields):
        request = getattr(pb, method + "Request")(**fields)
        return getattr(self.runtime, method)(request, timeout=SECONDS)

    # The pod.

    def run(self):
        r = self.call("RunPodSandbox", config=self.config,
                      runtime_handler=self.handler)
        self.id = r.pod_sandbox_id

    def status(self, state):
        r = self.call("PodSandboxStatus", pod_sandbox_id=self.id,
                      verbose=True)
        want(r.status.state, state)
        want(r.status.runtime_handler, self.handler)
        if self.net == "pod" and state == pb.SANDBOX_READY:
            want(r.status.network.ip.startswith("10.88."), True)

    # Containers.

    def create(self, name, command, tty=False, stdin=False):
        resources = pb.LinuxContainerResources(
            cpu_shares=512, memory_limit_in_bytes=64 << 20)
        security = pb.LinuxContainerSecurityContext(
            namespace_options=self.namespaces)
        config = pb.ContainerConfig(
            metadata=pb.ContainerMetadata(name=name),
            image=pb.ImageSpec(image=IMAGE), command=command,
            log_path=name + ".log", tty=tty, stdin=stdin, stdin_once=stdin,
            linux=pb.LinuxContainerConfig(
                resources=resources, security_context=security))
        r = self.call("CreateContainer", pod_sandbox_id=self.id,
                      config=config, sandbox_config=self.config)
        return r.container_id

    def start(self, name, command, **kw):
        cid = self.create(name, command, **kw)
        self.call("StartContainer", container_id=cid)
        return cid

    def becomes(self, cid, state, code=0):
        for _ in range(600):
            r = self.call("ContainerStatus", container_id=cid)
            if r.status.state == state:
                break
            time.sleep(0.1)
        want((r.status.state, r.status.exit_code), (state, code))

    def exec_sync(self, cid, *command, seconds=60):
        return self.call("ExecSync", container_id=cid, cmd=list(command),
                         timeout=seconds)

    def remove(self, cid):
        self.call("RemoveContainer", container_id=cid)

    def log(self, name):
        with open(f"{self.logs}/{name}.log", encoding="utf-8") as f:
            return [line.split(" ", 3)[1:] for line in f.read().splitlines()]

    # Steps.

    def main(self):
        self.main_id = self.start("main", [
            "/bin/sh", "-c", "trap 'exit 9' TERM; echo started; echo oops >&2;"
            "while :; do sleep 0.1; done"])
        self.becomes(self.main_id, pb.CONTAINER_RUNNING)

    def second(self):
        self.second_id = self.start("second", ["/bin/sleep", "1000"])
        r = self.call("ListContainers", filter=pb.ContainerFilter(
            pod_sandbox_id=self.id))
        want(sorted(c.id for c in r.containers),
             sorted([self.main_id, self.second_id]))

    def exec(self):
        r = self.exec_sync(self.main_id, "/bin/sh", "-c",
                           "echo out; echo err >&2; exit 3")
        want((r.stdout, r.stderr, r.exit_code), (b"out\n", b"err\n", 3))
        r = self.exec_sync(self.second_id, "/bin/sh", "-c", "kill -9 $$")
        want(r.exit_code, 137)
        r = self.exec_sync(self.second_id, "/bin/dmesg")
        want(b"gVisor" in r.stdout, True)

    def exec_much(self):
        r = self.exec_sync(self.main_id, "/bin/seq", "200000")
        want((len(r.stdout), r.exit_code), (1288895, 0))

    def exec_time_out(self):
        start = time.time()
        try:
            self.exec_sync(self.main_id, "/bin/sleep", "30", seconds=1)
            raise Wrong("there was no time-out")
        except grpc.RpcError as e:
            if e.code().name not in ("DEADLINE_EXCEEDED", "UNKNOWN"):
                raise
        want(time.time() - start < 25, True)

    def exec_not_found(self):
        try:
            r = self.exec_sync(self.main_id, "/bin/not-there")
            raise Wrong(f"it ended with {r.exit_code}")
        except grpc.RpcError as e:
            want("no such file or directory" in e.details(), True)
        want(self.exec_sync(self.main_id, "/bin/true").exit_code, 0)

    def exec_stream(self):
        r = self.call("Exec", container_id=self.main_id, stdin=True,
                      stdout=True, stderr=True, cmd=[
                          "/bin/sh", "-c", "read x; echo got $x; exit 5"])
        ws = WebSocket(r.url)
        ws.send(0, b"a line\n")
        streams = ws.receive()
        want(streams.get(1), b"got a line\n")
        want(b"exit code 5" in streams.get(3, b""), True)

    def exec_terminal(self):
        r = self.call("Exec", container_id=self.main_id, stdin=True,
                      stdout=True, tty=True, cmd=["/bin/sh"])
        ws = WebSocket(r.url)
        ws.send(4, b'{"Width":101,"Height":33}')
        time.sleep(0.5)
        ws.send(0, b"stty size\n")
        ws.send(0, b"test -t 0 && exit 6\n")
        streams = ws.receive()
        want(b"33 101" in streams.get(1, b""), True)
        want(b"exit code 6" in streams.get(3, b""), True)

    # With the shim's own sandbox these are the shim's to write.
    def etc(self):
        def cat(name):
            r = self.exec_sync(self.second_id, "/bin/cat", "/etc/" + name)
            return r.stdout.decode()

        own = os.uname().nodename if self.net == "host" else "inpod"
        want(cat("resolv.conf"), "search a.example b.example\n"
             "nameserver 192.0.2.53\nnameserver 192.0.2.54\n"
             "options ndots:3\n")
        want(cat("hostname"), own + "\n")
        with open("/etc/hosts", encoding="utf-8") as f:
            want(cat("hosts"), f.read())

    def container_stats(self):
        r = self.call("ContainerStats", container_id=self.main_id)
        want(r.stats.memory.working_set_bytes.value > 0, True)
        want(r.stats.cpu.usage_core_nano_seconds.value > 0, True)

    def pod_stats(self):
        r = self.call("PodSandboxStats", pod_sandbox_id=self.id)
        want(r.stats.linux.memory.working_set_bytes.value > 0, True)

    # Before 2026 runsc has no update, and the cgroup is the whole pod's: then
    # it is refused, in these words, and the container goes on.
    def update(self):
        try:
            self.call("UpdateContainerResources", container_id=self.main_id,
                      linux=pb.LinuxContainerResources(
                          cpu_shares=256, memory_limit_in_bytes=48 << 20))
        except grpc.RpcError as e:
            want(e.code(), grpc.StatusCode.UNIMPLEMENTED)
            want("this runsc has no update" in e.details(), True)
            print(f"# {self.net}/update: refused, this runsc has none",
                  flush=True)
        want(self.exec_sync(self.main_id, "/bin/true").exit_code, 0)

    def logs_of_main(self):
        want(sorted(self.log("main")), [["stderr", "F", "oops"],
                                        ["stdout", "F", "started"]])

    def reopen_log(self):
        cid = self.start("reopen", [
            "/bin/sh", "-c", "while :; do echo on; sleep 0.1; done"])
        path = f"{self.logs}/reopen.log"
        os.rename(path, path + ".1")
        self.call("ReopenContainerLog", container_id=cid)
        for _ in range(600):
            if os.path.exists(path) and len(self.log("reopen")) > 3:
                break
            time.sleep(0.1)
        self.call("StopContainer", container_id=cid, timeout=0)
        self.remove(cid)
        want(len(self.log("reopen")) > 3, True)

    def attach(self):
        cid = self.start("attach", [
            "/bin/sh", "-c", "read x; echo got $x; exit 4"], stdin=True)
        r = self.call("Attach", container_id=cid, stdin=True, stdout=True,
                      stderr=True)
        ws = WebSocket(r.url)
        ws.send(0, b"a line\n")
        want(ws.receive().get(1), b"got a line\n")
        self.becomes(cid, pb.CONTAINER_EXITED, 4)
        self.remove(cid)

    def attach_terminal(self):
        cid = self.start("terminal", ["/bin/sh"], tty=True, stdin=True)
        r = self.call("Attach", container_id=cid, stdin=True, stdout=True,
                      tty=True)
        ws = WebSocket(r.url)
        time.sleep(0.3)
        ws.send(0, b"test -t 0 && echo $((40+2))\n")
        ws.send(0, b"exit 8\n")
        want(b"42" in ws.receive().get(1, b""), True)
        self.becomes(cid, pb.CONTAINER_EXITED, 8)
        self.remove(cid)

    def short(self):
        for code in (0, 5, 255):
            cid = self.start(f"short{code}", [
                "/bin/sh", "-c", f"echo bye; exit {code}"])
            self.becomes(cid, pb.CONTAINER_EXITED, code)
            want(self.log(f"short{code}"), [["stdout", "F", "bye"]])
            self.remove(cid)

    def killed(self):
        cid = self.start("killed", ["/bin/sh", "-c", "kill -9 $$"])
        self.becomes(cid, pb.CONTAINER_EXITED, 137)
        self.remove(cid)

    def not_found(self):
        cid = self.create("missing", ["/bin/not-there"])
        try:
            self.call("StartContainer", container_id=cid)
            raise Wrong("it started")
        except grpc.RpcError as e:
            want("no such file or directory" in e.details(), True)
        r = self.call("ContainerStatus", container_id=cid)
        want((r.status.state, r.status.reason),
             (pb.CONTAINER_EXITED, "StartError"))
        self.remove(cid)

    def hostname(self):
        if self.net == "pod":
            r = self.exec_sync(self.main_id, "/bin/hostname")
            want(r.stdout, b"inpod\n")

    def containerd_killed(self):
        """It comes back, and takes up what it had."""
        path = self.args.pid_file
        with open(path, encoding="ascii") as f:
            pid = int(f.read())
        cid = self.start("meanwhile", [
            "/bin/sh", "-c", "sleep 2; echo last; exit 7"])
        os.kill(pid, signal.SIGKILL)
        time.sleep(2.5)
        folder = os.path.dirname(path)
        with open(folder + "/log", "a", encoding="utf-8") as log:
            child = subprocess.Popen(
                ["setsid", "containerd", "-c", folder + "/config.toml"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        with open(path, "w", encoding="ascii") as f:
            f.write(str(child.pid))
        for _ in range(100):
            try:
                if all(c.status for c in self.call("Status")
                       .status.conditions if c.type == "RuntimeReady"):
                    break
            except grpc.RpcError:
                pass
            time.sleep(0.1)
        self.becomes(self.main_id, pb.CONTAINER_RUNNING)
        self.status(pb.SANDBOX_READY)
        r = self.exec_sync(self.main_id, "/bin/echo", "on")
        want((r.stdout, r.exit_code), (b"on\n", 0))
        self.becomes(cid, pb.CONTAINER_EXITED, 7)
        want(self.log("meanwhile"), [["stdout", "F", "last"]])
        self.remove(cid)

    def stop(self):
        self.call("StopContainer", container_id=self.main_id, timeout=20)
        self.becomes(self.main_id, pb.CONTAINER_EXITED, 9)
        self.remove(self.main_id)
        r = self.exec_sync(self.second_id, "/bin/echo", "on")
        want(r.stdout, b"on\n")

    def stop_pod(self):
        self.call("StopPodSandbox", pod_sandbox_id=self.id)
        self.becomes(self.second_id, pb.CONTAINER_EXITED, 137)
        self.status(pb.SANDBOX_NOTREADY)
        # Twice is as good as once.
        self.call("StopPodSandbox", pod_sandbox_id=self.id)

    def remove_pod(self):
        self.call("RemovePodSandbox", pod_sandbox_id=self.id)
        r = self.call("ListPodSandbox")
        want(len(r.items), 0)


def main():
    parser = argparse.ArgumentParser()
    for option in ("socket", "dir", "net", "cgroup", "pid-file"):
        parser.add_argument("--" + option, required=True)
    args = parser.parse_args()
    pod = Pod(args)
    if not pod.step("run_pod", pod.run):
        return
    pod.step("pod_status", pod.status, pb.SANDBOX_READY)
    if pod.step("start", pod.main) and pod.step("second", pod.second):
        for f in (pod.exec,) if args.net == "options" else (
                  pod.exec, pod.exec_much, pod.exec_time_out,
                  pod.exec_not_found, pod.exec_stream, pod.exec_terminal,
                  pod.hostname, pod.etc, pod.container_stats, pod.pod_stats,
                  pod.update, pod.logs_of_main, pod.reopen_log, pod.attach,
                  pod.attach_terminal, pod.short, pod.killed, pod.not_found,
                  pod.containerd_killed, pod.stop):
            pod.step(f.__name__, f)
    pod.step("stop_pod", pod.stop_pod)
    pod.step("remove_pod", pod.remove_pod)


if __name__ == "__main__":
    main()
