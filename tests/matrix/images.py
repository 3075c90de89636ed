#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""images.py PROGRAM OUT.tar: the images that critest 1.37 and the cells want, by
the names that they are asked for, in one archive that containerd (an OCI
layout) and skopeo (docker's) read; nothing is pulled.  All are of a static
busybox; PROGRAM is images.c's, which is what its name says."""
import hashlib
import io
import json
import subprocess
import sys
import tarfile

program = open(sys.argv[1], "rb").read()
busybox_path = "/usr/bin/busybox"
busybox = open(busybox_path, "rb").read()
applets = subprocess.check_output([busybox_path, "--list"], text=True).split()
E2E = "registry.k8s.io/e2e-test-images/"
TOOLS = "gcr.io/k8s-staging-cri-tools/"
MEDIA = "application/vnd.oci.image."
DIRECTORY, LINK, HARD, FILE = "dlhf"
blobs = {}
manifests = []
docker = []


def put(data):
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return digest


def layer(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, mode, kind, data in entries:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if kind == FILE:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
                continue
            info.type = {DIRECTORY: tarfile.DIRTYPE, LINK: tarfile.SYMTYPE,
                         HARD: tarfile.LNKTYPE}[kind]
            info.linkname = data or ""
            tar.addfile(info)
    return out.getvalue()


def script(text):
    return b"#!/bin/sh\n" + text


PASSWD = (b"root:x:0:0:root:/root:/bin/sh\n"
          b"www-data:x:33:33:www-data:/var/www:/bin/false\n"
          b"nobody:x:65534:65534:nobody:/home:/bin/false\n")
GROUP = b"root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n"
base = [(d, 0o755, DIRECTORY, None) for d in
        "bin proc sys dev etc root run usr usr/bin usr/sbin usr/local "
        "usr/local/bin sbin var var/www home lib".split()]
base += [("tmp", 0o1777, DIRECTORY, None), ("var/run", 0o777, LINK, "/run"),
         ("bin/busybox", 0o755, FILE, busybox)]
base += [("bin/" + a, 0o755, HARD, "bin/busybox") for a in applets
         if a != "busybox"]
# What Debian's busybox has not.
if "bash" not in applets:
    base += [("bin/bash", 0o755, LINK, "busybox")]
if "pgrep" not in applets:
    base += [("usr/bin/pgrep", 0o755, FILE, script(
        b'for d in /proc/[0-9]*; do read -r c 2>/dev/null <$d/comm ||'
        b' continue; [ "$c" = "$1" ] && echo ${d#/proc/}; done\n'))]
if "ipcs" not in applets:
    base += [("usr/bin/ipcs", 0o755, FILE, script(b"cat /proc/sysvipc/shm\n"))]
base += [("etc/passwd", 0o644, FILE, PASSWD), ("etc/group", 0o644, FILE, GROUP),
         ("etc/hosts", 0o644, FILE, b"127.0.0.1 localhost\n")]
base_layer = layer(base)


def image(names, extra=(), **config):
    """One image by all these names: base and extra entries."""
    layers = [base_layer] + ([layer(extra)] if extra else [])
    digests = [put(x) for x in layers]
    config = dict({"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                           "/usr/bin:/sbin:/bin"], "Cmd": ["sh"]}, **config)
    text = json.dumps({
        "architecture": "amd64", "os": "linux",
        "created": "2026-01-01T00:00:00Z", "config": config, "rootfs": {
            "type": "layers", "diff_ids": ["sha256:" + d for d in digests]},
    }).encode()
    made = put(text)
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
        "config": {"mediaType": MEDIA + "config.v1+json",
                   "digest": "sha256:" + made, "size": len(text)},
        "layers": [{"mediaType": MEDIA + "layer.v1.tar",
                    "digest": "sha256:" + d, "size": len(x)}
                   for d, x in zip(digests, layers)],
    }).encode()
    digest = put(manifest)
    docker.append({"Config": "blobs/sha256/" + made, "RepoTags": names,
                   "Layers": ["blobs/sha256/" + d for d in digests]})
    for name in names:
        manifests.append({
            "mediaType": MEDIA + "manifest.v1+json",
            "digest": "sha256:" + digest, "size": len(manifest),
            "platform": {"architecture": "amd64", "os": "linux"},
            "annotations": {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": name.split(":")[-1]}})


def with_program(path, mode=0o755):
    return [(path, mode, FILE, program)]


image([E2E + "busybox:1.29-2", "localhost/busybox:1",
       "docker.io/library/busybox:latest"])
image(["localhost/pause:1", "registry.k8s.io/pause:3.10",
       "registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.10.1",
       "registry.k8s.io/pause:3.10.2"], with_program("pause"),
      Entrypoint=["/pause"], Cmd=None)
image([E2E + "nginx:1.14-2"], with_program("usr/sbin/nginx"),
      Cmd=["nginx", "-g", "daemon off;"])
image([E2E + "httpd:2.4.39-4"], with_program("usr/local/bin/httpd"),
      Cmd=["httpd"])
image([TOOLS + "hostnet-nginx-amd64:latest"], with_program("usr/sbin/nginx"),
      Cmd=["nginx"], Env=["PATH=/usr/sbin:/usr/bin:/bin", "WEB_PORT=12003"])
image([E2E + "nonewprivs:1.3"], with_program("nnp", 0o4755),
      Entrypoint=["/nnp"], Cmd=None)
for who, user in (("uid", "1002"), ("username", "www-data"),
                  ("uid-group", "1003:users"),
                  ("username-group", "www-data:www-data")):
    image([TOOLS + "test-image-user-%s:latest" % who],
          [("user-" + who, 0o644, FILE, b"")], User=user)
image([TOOLS + "test-image-predefined-group:latest"],
      [("etc/passwd", 0o644, FILE, PASSWD +
        b"default-user:x:1000:1000::/home:/bin/sh\n"),
       ("etc/group", 0o644, FILE, GROUP + b"default-user:x:1000:\n"
        b"group-defined-in-image:x:50000:default-user\n")], User="1000")

index = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
with tarfile.open(sys.argv[2], "w") as tar:
    for name, data in [
            ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
            ("index.json", index),
            ("manifest.json", json.dumps(docker).encode()),
    ] + [("blobs/sha256/" + d, b) for d, b in blobs.items()]:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        info.mode = 0o644
        tar.addfile(info, io.BytesIO(data))
