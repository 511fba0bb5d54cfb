# items.py WORKLOAD PASSES: goes through many items, so often, and prints the answer each time.
import json
import sys
from itertools import islice

from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.net import for_each_netdev, netdev_get_by_name
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.sched import get_task_state


def devices():
    rows = [[d.name.string_().decode(), d.ifindex.value_(), d.mtu.value_()] for d in for_each_netdev(prog)]
    print(json.dumps(rows))


def tasks():
    print(json.dumps([[t.comm.string_().decode(), get_task_state(t)] for t in for_each_task(prog)]))


def refcounts(device, count=None):
    head = netdev_get_by_name(prog, device).uc.list.address_of_()
    nodes = list_for_each_entry("struct netdev_hw_addr", head, "list")
    print(sum(n.refcount.value_() for n in islice(nodes, count)))


def format_devices():
    for d in islice(for_each_netdev(prog), 100):
        print(d[0])


workload = {
    "devices": devices,
    "tasks": tasks,
    "sum": lambda: refcounts("d1"),
    "scattered": lambda: refcounts("d2", 100000),
    "format": format_devices,
}[sys.argv[1]]
for _ in range(int(sys.argv[2])):
    workload()
