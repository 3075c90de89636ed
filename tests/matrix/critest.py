#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""critest.py LIMITS REPORT...: ginkgo's reports as lines "ok" and "not ok".  LIMITS:
a spec's name, a tab, why it cannot pass in gVisor; it must fail, or, after a tab
more and "not run", be left out by critest itself.

critest.py --columns OUT LIMITS OURS GO RUNC: the three of one day as a document;
each is a list of reports, with commas.  What runc's shim passes and ours does
not has to be in LIMITS."""
import json
import os
import sys


def load(reports):
    """Specs by name: what was run of them, the last if it was twice."""
    run = {}
    for report in reports:
        for s in json.load(open(report))[0]["SpecReports"]:
            if s["LeafNodeType"] != "It" or \
                    s["State"] in ("skipped", "pending"):
                continue
            name = " ".join(s["ContainerHierarchyTexts"] + [s["LeafNodeText"]])
            run[name.replace("[k8s.io] ", "")] = s
    return run


def load_limits(path):
    """By name: the reason, and "not run" or nothing."""
    rows = [line.rstrip("\n").split("\t") + [""] for line in open(path)
            if line[0] not in "#\n"]
    return {row[0]: row[1:3] for row in rows}


def passes(run, name):
    return name in run and run[name]["State"] == "passed"


def lines(limits, run):
    for name, s in run.items():
        why = s.get("Failure", {}).get("Message", s["State"])
        if name in limits and (passes(run, name) or limits[name][1]):
            print("not ok %s: %s, and is in critest.limits" %
                  (name, limits[name][1] and "run" or "passes"))
        elif passes(run, name):
            print("ok " + name)
        elif name in limits:
            print("# limit: %s: %s" % (name, limits[name][0]))
        else:
            print("not ok %s: %s" % (name, " ".join(why.split())[:900]))
    for name in limits:
        if name not in run and not limits[name][1] and \
                not os.environ.get("ONLY"):
            print("not ok %s: in critest.limits, and not run" % name)
    print("# critest: %d run" % len(run))


HEAD = """# critest, with three shims

Made by `BESIDE=docs/critest.md CLIENTS=critest make check-matrix`: the specs of
critest, the CRI's conformance tests, one after the other with this shim,
gVisor's own of the same release as runsc, and runc's, with the same containerd
on the same machine. [matrix.md](matrix.md) has the versions. Left out is what
pulls images, NRI, SELinux and AppArmor, as it is for runc's. gVisor's shim is a
build that goes on where it may not lower its oom_score_adj; as released it does
not start on a machine that forbids that.

"""


def columns(out, limits, runs):
    names = sorted(set().union(*runs))
    ours, go, runc = runs
    with open(out, "w") as f:
        f.write(HEAD + "| | this shim | gVisor's | runc's |\n"
                "| --- | --- | --- | --- |\n")
        for what, n in (("passed", lambda r: sum(passes(r, x) for x in r)),
                        ("failed", lambda r: sum(not passes(r, x) for x in r)),
                        ("not run", lambda r: len(names) - len(r))):
            f.write("| %s | %d | %d | %d |\n" %
                    ((what,) + tuple(n(r) for r in runs)))
        f.write("\nThose that not all three pass; a spec is not run where the "
                "shim says that runsc has not\nwhat it asks for.\n\n"
                "| spec | this shim | gVisor's | runc's | why |\n"
                "| --- | --- | --- | --- | --- |\n")
        for name in names:
            if all(passes(r, name) for r in runs):
                continue
            f.write("| %s | %s | %s |\n" % (name, " | ".join(
                "not run" if name not in r else
                "passed" if passes(r, name) else "failed" for r in runs),
                limits.get(name, [""])[0]))
    for name in names:
        if passes(runc, name) and not passes(ours, name) and \
                name not in limits:
            print("not ok beside: %s: runc's shim passes it" % name)
    for who, run in ("gVisor's", go), ("runc's", runc):
        if not run:
            print("not ok beside: nothing was run with %s" % who)
    print("# critest: passed of run: %s" % ", ".join("%d of %d" % (
        sum(passes(r, x) for x in r), len(r)) for r in runs))


if sys.argv[1] == "--columns":
    columns(sys.argv[2], load_limits(sys.argv[3]),
            [load(x.split(",")) for x in sys.argv[4:]])
else:
    got = load(sys.argv[2:])
    lines(load_limits(sys.argv[1]), got)
    sys.exit(not got)
