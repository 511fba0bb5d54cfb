# Prints bond0's own rx_dropped: the sum of its core_stats over possible CPUs.
from drgn.helpers.linux.cpumask import for_each_possible_cpu
from drgn.helpers.linux.net import netdev_get_by_name
from drgn.helpers.linux.percpu import per_cpu_ptr

stats = netdev_get_by_name(prog, "bond0").core_stats
print(sum(per_cpu_ptr(stats, cpu).rx_dropped.value_() for cpu in for_each_possible_cpu(prog)))
