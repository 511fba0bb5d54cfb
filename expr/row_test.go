package expr

import (
	"bytes"
	"testing"

	"kinspect/expr/value"
)

// TestRows compares rows as they are written while a walk goes on with the same rows in a list, where each
// value has been made: of members of all kinds, of elements of several types, and of what cannot be read.
func TestRows(t *testing.T) {
	eachKernel(t, func(t *testing.T, s *Session) {
		for _, src := range []string{
			"netdevs() | map([.name, .ifindex, .mtu, .flags, .features, .dev_addr, .reg_state, .napi_list, .rx_dropped, .nd_net, #, #index])",
			"netdevs() | map([.proto_down, .perm_addr, .min_mtu + 1, .operstate, .name_assign_type])",
			"netdevs() | filter(.mtu > 1500) | map([.name, [.mtu], {n: .name}])",
			"netdevs() | map([.name, .mtu]) | map([#[0], #index])",
			"let d = netdevs() | map([.name, .mtu]); d | map([#, count(d, #[1] == 65536)])",
			"1..3 | map(addr(init_task)) | map([.comm, task_state(#), task_state(.real_parent), .exit_code, .mm, .exit_state])",
			"1..4 | map([#, #index])",
			"1..4 | map((struct net_device *)(0xffff800000000000 + # * 8)) | map([.name, .mtu, .dev_addr, 1])",
			"1..6 | map(# % 2 == 0 ? netdev('lo') : addr(init_net)) | map([.ifindex, #])",
			"1..6 | map(# % 2 == 0 ? addr(netdev('lo').name) : addr(netdev('lo').perm_addr)) | map([#, *#])",
		} {
			r, err := s.Eval(t.Context(), src)
			if err != nil {
				t.Errorf("%s: %v", src, err)
				continue
			}
			q, ok := r.Value.(*Sequence)
			if !ok {
				t.Errorf("%s is no sequence", src)
				continue
			}
			list, err := s.collect(q)
			if err != nil {
				t.Errorf("%s: %v", src, err)
				continue
			}
			made := r
			made.Value = list
			var got, want bytes.Buffer
			_, gotErr := r.WriteJSON(&got)
			_, wantErr := made.WriteJSON(&want)
			if got.String() != want.String() || gotErr != nil || wantErr != nil {
				t.Errorf("%s: as JSON\n%s(%v), and as a list\n%s(%v)", src, got.String(), gotErr, want.String(), wantErr)
			}
			got.Reset()
			want.Reset()
			_, _ = r.WriteText(&got, value.DefaultFormat, nil)
			_, _ = made.WriteText(&want, value.DefaultFormat, nil)
			if got.String() != want.String() {
				t.Errorf("%s: as text\n%s, and as a list\n%s", src, got.String(), want.String())
			}
		}
	})
}
