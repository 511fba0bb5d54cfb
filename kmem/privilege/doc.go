// Package privilege knows what this process may do to the running kernel: its capabilities, and what else can refuse it
// (lockdown, a seccomp filter, a user namespace, sysctls). It gives up what a command does not need, and tells the
// refusals apart, as the system says "permission denied" of all of them.
//
// A capability is held where it is permitted. It counts for a thread where it is effective there: [With] makes some effective
// for the time of one call, on one thread. All of this is Linux's; elsewhere nothing is held and nothing is given up.
package privilege
