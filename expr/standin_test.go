package expr

import "testing"

// TestStandIn asks what TCP has in the place of a struct sock for what each has. The memory is
// that of a device: what counts is the layout.
func TestStandIn(t *testing.T) {
	eachKernel(t, func(t *testing.T, s *Session) {
		cases(t, s, [][2]string{
			{"&((struct request_sock *)0)->__sk_common", "(struct sock_common *)0x0"},
			{"&((struct inet_timewait_sock *)0)->__sk_common", "(struct sock_common *)0x0"},
			{"((struct request_sock *)netdev('lo'))->__sk_common.skc_num == ((struct sock *)netdev('lo'))->__sk_common.skc_num", "true"},
			{"((struct inet_timewait_sock *)netdev('lo'))->__sk_common.skc_num == ((struct sock *)netdev('lo'))->__sk_common.skc_num", "true"},
			{"'__sk_common' in (struct request_sock *)netdev('lo')", "true"},
			{
				"fault(((struct request_sock *)netdev('lo'))->sk_rcvbuf)",
				`"no full socket, but a struct request_sock, which has no sk_rcvbuf: __sk_common is what each has"`,
			},
			{"((struct request_sock *)netdev('lo'))->nosuch", "error: struct request_sock has no member \"nosuch\"…"},
			{"netdev('lo')->__sk_common", "error: struct net_device has no member \"__sk_common\"…"},
			// Values in network order that the kernel declares so.
			{"(htonl(0x7f000001) & htonl(0xff000000)) == htonl(0x7f000000)", "true"},
			{"(u32)(htonl(0x7f000001) & 0xff) == 0x7f", "true"},
			{"keys([htons(0x0800), htons(0x88cc), htons(0x0800)] | groupBy(#))", `["0x0800", "0x88cc"]`},
			{"keys(netdevs() | groupBy(.rx_handler) )[0]", `"0x0"`},
			{"keys(netdevs() | filter(.rx_handler) | groupBy(.rx_handler))[0]", `"bond_handle_frame+0x0 [bonding] = …`},
			{"let m = netdevs() | groupBy(.rx_handler); len(m[netdev('veth0')->rx_handler]) > 0", "true"},
		})
		for _, src := range []string{"(htonl(0x7f000001) & htonl(0xff000000)) == htonl(0x7f000000)", "(u32)(htonl(0x7f000001) & 0xff) == 0x7f"} {
			if r, err := s.Eval(t.Context(), src); err != nil || len(r.Warnings) != 0 {
				t.Errorf("%s: %v, warns %q", src, err, r.Warnings)
			}
		}
	})
}
