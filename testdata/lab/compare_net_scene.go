package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// netSceneRows are what no tool in the guest tells, or what must have happened in the scene: an
// expression and its value. {xdp} stands for the program that the scene loaded.
var netSceneRows = []struct{ expression, want string }{
	{expression: "sockets('udp') | filter(.local_port == 7003) | map(.drops > 0)", want: "[true]"},
	{expression: "sockets('tcp') | filter(.state == 'LISTEN' && .local_port == 7001) | map([.rx_queue, .tx_queue, len(.owner)])", want: "[[1 5 1]]"},
	{expression: "sockets('tcp') | filter(.remote_port == 7777) | map([.state, .remote])", want: "[[SYN_RECV 198.18.0.77]]"},
	{expression: "sockets('tcp') | filter(.rx_queue == 100) | map([.state, .local_port, .sk.sk_socket != nil])", want: "[[ESTABLISHED 7001 true]]"},
	{expression: "sockets('packet') | filter(.device == 'many0' && .protocol startsWith '0x0003') | map([.tp_drops > 0, .drops > 0, .running])", want: "[[true true true]]"},
	{expression: "sockets('packet') | filter(.fanout != nil) | map([.device, .fanout.id, .fanout.mode, .fanout.members, .type])", want: "[[sock0p 42 lb 2 dgram] [sock0p 42 lb 2 dgram]]"},
	{expression: "sockets('packet') | filter(.rx_ring != nil) | map([.rx_ring.version, .rx_ring.blocks, .rx_ring.frames, .rx_ring.frame_size])", want: "[[TPACKET_V2 4 8 2048]]"},
	{expression: "sockets('packet') | filter(!.running) | map([.ethertype, .device])", want: "[[0x0000 <nil>]]"},
	{expression: "sockets('netlink') | filter(.portid != 0 && .kind == 'netlink') | filter(any(.owner, .comm == 'guest')) | map([.protocol, .groups])", want: "[[route [1 5]]]"},
	{expression: "netdev_programs(netdev('sock0p')) | map([.hook, .kind])", want: "[[xdp bpf] [tc ingress matchall]]"},
	{expression: "netdev_programs(netdev('sock0p')) | filter(.hook == 'xdp') | map([.mode, .name, .id])", want: "[[generic lab_pass {xdp}]]"},
	{expression: "netdev_programs(netdev('sock0p')) | filter(.kind == 'matchall') | map(.prio)", want: "[7]"},
	{expression: "netdev_programs(netdev('sock0')) | map([.hook, .name, .id])", want: "[]"},
	{expression: "nf_hooks() | filter(.hook == 'PREROUTING') | map([.family, .priority, .function, .module])", want: "[" +
		"[ipv4 -400 ipv4_conntrack_defrag nf_defrag_ipv4] [ipv4 -200 ipv4_conntrack_in nf_conntrack] " +
		"[ipv6 -400 ipv6_defrag nf_defrag_ipv6] [ipv6 -200 ipv6_conntrack_in nf_conntrack]]"},
	{expression: "nf_hooks() | filter(.hook == 'OUTPUT' && .family == 'ipv4') | map([.priority, .function])", want: "[[-400 ipv4_conntrack_defrag] [-200 ipv4_conntrack_local]]"},
	{expression: "qdiscs(netdev('sock0')) | filter(.handle == '20:') | map([.parent, .drops > 0, .qlen])", want: "[[1:2 true 5]]"},
	{expression: "netdev_upper(netdev('veth0')) | map(.name)", want: "[bond0]"},
	{expression: "netdev_lower(netdev('bond0')) | map(.name)", want: "[veth0 veth1]"},
	{expression: "netdev_info(netdev('many0')).tx_queues", want: "3"},
	{expression: "map([netdev_driver(netdev('bond0')), netdev_driver(netdev('lo'))], # ?? '')", want: "[bond ]"},
}

// checkNetScene asks what must be so after the scene.
func checkNetScene(c *subjectContext) error {
	text, err := readFact(c.facts, "programs.json")
	if err != nil {
		return err
	}
	ids := map[string]int{}
	if err := json.Unmarshal([]byte(text), &ids); err != nil {
		return err
	}
	fill := strings.NewReplacer("{xdp}", fmt.Sprint(ids["xdp"]))
	var expressions []string
	for _, row := range netSceneRows {
		expressions = append(expressions, "("+row.expression+")")
	}
	var have []any
	a, err := evaluate(c, &have, "["+strings.Join(expressions, ", ")+"]")
	if err != nil {
		return err
	}
	a.command, a.stdout = "kinspect eval …", "" // long, and told below
	var errs []error
	for i, row := range netSceneRows {
		if got, want := fmt.Sprint(have[i]), fill.Replace(row.want); got != want {
			errs = append(errs, a.fail("%s: %s, want %s", row.expression, got, want))
		}
	}
	return errors.Join(errs...)
}

// checkTCX attaches a program to TCX for as long as it asks: while one is loaded that may redirect frames,
// explain's answers are other ones, so that no capture may have it.
func checkTCX(c *subjectContext) error {
	a, err := c.subject.(liveSubject).shell(`rm -f /tmp/tcx.out
guest tcx sock0 > /tmp/tcx.out 2>&1 &
holder=$!
for i in $(seq 100); do test -s /tmp/tcx.out && break; sleep 0.1; done
set +e
kinspect eval --json "netdev_programs('sock0') | map([.hook, .name, .id])"
status=$?
kill $holder
cat /tmp/tcx.out >&2
exit $status`)
	if err != nil {
		return err
	}
	id := strings.TrimSpace(a.stderr)
	want := `{"value":[["tcx ingress","lab_pass",` + id + `]]}`
	if id == "0" {
		want = `{"value":[]}`
	}
	if got := strings.TrimSpace(a.stdout); a.exit != 0 || got != want {
		return a.fail("%s, want %s", got, want)
	}
	return nil
}
