#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One call of containerd's CRI after the other, as a kubelet makes them: a pod
in a cgroup as kubelets name it, a container in it with a limit, an exec, the
end.
The messages are put together here, from api.proto's numbers, so that nothing
has to be generated."""

import sys

import grpc

SOCKET = "unix:///run/containerd/containerd.sock"
SERVICE = "/runtime.v1.RuntimeService/"
CGROUP = "/kubepods/pod0d7e3f2a-8b1c-4d5e-9f60-1a2b3c4d5e6f"
NODE = 2


def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def message(*fields):
    """Of (number, value): an int, a text, or another message."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def fields(data):
    """Number to value, the last of each."""
    found = {}
    at = 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return n

    while at < len(data):
        key = number()
        value = number()
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        found[key >> 3] = value
    return found


def main():
    channel = grpc.insecure_channel(SOCKET)

    def call(method, *request):
        return fields(channel.unary_unary(
            SERVICE + method, request_serializer=lambda m: m,
            response_deserializer=lambda m: m)(
                message(*request), timeout=120))

    namespaces = message((1, NODE), (2, 1))
    pod_config = message(
        (1, message((1, "pod"), (2, "uid"), (3, "default"))),
        (3, "/run/pod-logs"),
        (8, message((1, CGROUP), (2, message((1, namespaces))))))
    pod = call("RunPodSandbox", (1, pod_config), (2, "runsc"))[1].decode()
    print("pod", pod, flush=True)
    config = message(
        (1, message((1, "main"))), (2, message((1, "localhost/busybox:1"))),
        (3, "/bin/sleep"), (3, "1000"), (11, "main.log"),
        (15, message((1, message((3, 512), (4, 64 << 20))),
                     (2, message((3, namespaces))))))
    made = call("CreateContainer", (1, pod), (2, config),
                (3, pod_config))[1].decode()
    call("StartContainer", (1, made))
    got = call("ExecSync", (1, made), (2, "/bin/sh"), (2, "-c"),
               (2, "echo out; exit 3"), (3, 60))
    print("exec", got[1].decode().strip(), got[3], flush=True)
    with open("/tmp/pod", "w", encoding="ascii") as f:
        f.write(pod)
    if sys.stdin.readline() == "end\n":
        call("StopPodSandbox", (1, pod))
        call("RemovePodSandbox", (1, pod))
        print("removed", flush=True)


main()
