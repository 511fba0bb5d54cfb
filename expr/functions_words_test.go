package expr

import (
	"context"
	"strings"
	"testing"

	"kinspect/expr/value"
)

func TestWordsAndLayout(t *testing.T) {
	eachKernel(t, func(t *testing.T, s *Session) {
		cases(t, s, [][2]string{
			{"read_u32(addr(netdev('bond0').name))", "(u32)1684959074"},
			{"read_u8(addr(netdev('bond0').name))", "(u8)98"},
			{"read_u16(addr(netdev('bond0').name)) == 0x6f62", "true"},
			{"words(0x1000)", "error: …"},
			{"words(addr(init_net), 0)", "error: words reads 1 to 8192 integers of 8 bytes"},
			{"words(addr(init_net), 8193)", "error: words reads 1 to 8192 integers of 8 bytes"},
			{"words(addr(init_net), 1, 3)", "error: an integer has 1, 2, 4 or 8 bytes, not 3"},
			{"layout('struct list_head')", "struct list_head {\n\tstruct list_head *next;                         /*     0     8 */\n\tstruct list_head *prev;                         /*     8     8 */\n} /* size: 16 */;"},
			{"layout(init_net.dev_base_head)", "struct list_head {…"},
			{"layout(netdev('lo'))", "struct net_device {…"},
			{"layout('struct no_such')", "error: …"},
		})
		for src, want := range map[string][]string{
			// 'b' 'o' 'n' 'd', then '0' and NULs, little-endian.
			"words(addr(netdev('bond0').name), 2, 4)":    {": 646e6f62 00000030 ", " bond0..."},
			"words(addr(netdev('bond0').name), 4, 1)":    {": 62 6f 6e 64 ", " bond"},
			"words(addr(netdev('veth0').rx_handler), 1)": {" bond_handle_frame+0x0 [bonding]"},
		} {
			r, err := s.Eval(context.Background(), src)
			if err != nil {
				t.Fatal(err)
			}
			text, err := r.Text(value.DefaultFormat)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range want {
				if !strings.Contains(text, w) {
					t.Errorf("%s: %q, want %q in it", src, text, w)
				}
			}
		}
	})
}
