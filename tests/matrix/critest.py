#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""critest.py LIMITS REPORT...: ginkgo's reports as lines "ok" and "not ok".  LIMITS:
a spec's name, a tab, why it cannot pass in gVisor; it must fail."""
import json
import os
import sys

specs = [s for report in sys.argv[2:]
         for s in json.load(open(report))[0]["SpecReports"]]
limits = dict(line.rstrip("\n").split("\t") for line in open(sys.argv[1])
              if line[0] not in "#\n")
run = {}
for s in specs:
    if s["LeafNodeType"] != "It" or s["State"] in ("skipped", "pending"):
        continue
    name = " ".join(s["ContainerHierarchyTexts"] + [s["LeafNodeText"]])
    name = name.replace("[k8s.io] ", "")
    run[name] = s
for name, s in run.items():
    passed = s["State"] == "passed"
    why = s.get("Failure", {}).get("Message", s["State"])
    if passed and name in limits:
        print("not ok %s: passes, and is in critest.limits" % name)
    elif passed:
        print("ok " + name)
    elif name in limits:
        print("# limit: %s: %s" % (name, limits[name]))
    else:
        print("not ok %s: %s" % (name, " ".join(why.split())[:900]))
for name in limits:
    if name not in run and not os.environ.get("ONLY"):
        print("not ok %s: in critest.limits, and not run" % name)
print("# critest: %d run" % len(run))
sys.exit(not run)
