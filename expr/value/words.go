package value

import (
	"fmt"
	"math/bits"
	"strings"

	"kinspect/btf"
)

// wordKind says how an integer and the enumerators that name it go together.
type wordKind uint8

const (
	wordMasks wordKind = iota // enumerators are bits: IFF_UP = 1 << 0
	wordBits                  // enumerators are numbers of bits: NAPI_STATE_SCHED = 0
	wordValue                 // enumerators are values
)

// words are the members that the kernel declares as plain integers and whose values have
// names: those of the enum that has the enumerator. BTF has no macros, so flags that are
// macros (TASK_*, NUD_*, SOCK_* of sockets' flags) are not among them.
var words = map[memberName]struct {
	enumerator string
	kind       wordKind
}{
	{"net_device", "flags"}:                {"IFF_UP", wordMasks},          // include/uapi/linux/if.h
	{"net_device", "gflags"}:               {"IFF_UP", wordMasks},          //
	{"net_device", "priv_flags"}:           {"IFF_802_1Q_VLAN", wordMasks}, // include/linux/netdevice.h
	{"net_device", "state"}:                {"__LINK_STATE_START", wordBits},
	{"net_device", "features"}:             {"NETIF_F_SG_BIT", wordBits}, // include/linux/netdev_features.h
	{"net_device", "hw_features"}:          {"NETIF_F_SG_BIT", wordBits},
	{"net_device", "vlan_features"}:        {"NETIF_F_SG_BIT", wordBits},
	{"net_device", "wanted_features"}:      {"NETIF_F_SG_BIT", wordBits},
	{"net_device", "hw_enc_features"}:      {"NETIF_F_SG_BIT", wordBits},
	{"net_device", "mpls_features"}:        {"NETIF_F_SG_BIT", wordBits},
	{"net_device", "mangleid_features"}:    {"NETIF_F_SG_BIT", wordBits},
	{"net_device", "gso_partial_features"}: {"NETIF_F_SG_BIT", wordBits},
	{"sock", "sk_route_caps"}:              {"NETIF_F_SG_BIT", wordBits},
	{"net_device", "reg_state"}:            {"NETREG_REGISTERED", wordValue}, // u8 since 6.10
	{"netdev_queue", "state"}:              {"__QUEUE_STATE_DRV_XOFF", wordBits},
	{"napi_struct", "state"}:               {"NAPI_STATE_SCHED", wordBits},
	{"Qdisc", "state"}:                     {"__QDISC_STATE_SCHED", wordBits}, // include/net/sch_generic.h
	{"sock", "sk_flags"}:                   {"SOCK_DEAD", wordBits},           // include/net/sock.h
	{"sock", "sk_type"}:                    {"SOCK_STREAM", wordValue},        // include/linux/net.h
	{"socket", "type"}:                     {"SOCK_STREAM", wordValue},
	{"sock_common", "skc_state"}:           {"TCP_ESTABLISHED", wordValue}, // include/net/tcp_states.h
	{"page", "flags"}:                      {"PG_locked", wordBits},        // include/linux/page-flags.h
	{"folio", "flags"}:                     {"PG_locked", wordBits},
}

// memberName is a member of a named struct; members of anonymous structs within it count as
// its own.
type memberName struct{ st, member string }

// wordSet is what names the values of an integer.
type wordSet struct {
	enum *btf.Enum
	kind wordKind
}

// ValueNames is the enum whose enumerators name the values of a member that is declared as a plain
// integer, as net_device.reg_state is since 6.10. ok is false where there is none, or where it names bits.
func (v Value) ValueNames() (enum *btf.Enum, ok bool) {
	if v.words == nil || v.words.kind != wordValue {
		return nil, false
	}
	return v.words.enum, true
}

// wordsOf are the names of a member's values, or nil.
func (k *Kernel) wordsOf(st, member string) *wordSet {
	row, ok := words[memberName{st, member}]
	if !ok || k == nil {
		return nil
	}
	return k.memo.wordSet(memberName{st, member}, func() *wordSet {
		types, err := k.Types()
		if err != nil {
			return nil
		}
		_, enum, ok := types.Enumerator(row.enumerator)
		if !ok {
			return nil
		}
		return &wordSet{enum, row.kind}
	})
}

// text names a value: "IFF_UP|IFF_MULTICAST", with what has no name in hexadecimal. It is empty
// where nothing of it has a name.
func (w *wordSet) text(n uint64) string {
	if w.kind == wordValue {
		for _, e := range w.enum.Values() {
			if e.Value == n {
				return e.Name
			}
		}
		return ""
	}
	names, rest := flagNames(w.enum, n, w.kind == wordBits)
	if len(names) == 0 {
		return ""
	}
	if rest != 0 {
		names = append(names, fmt.Sprintf("%#x", rest))
	}
	return strings.Join(names, "|")
}

// flagNames are the names of the bits of n, the lowest first, and the bits that have none. The first
// of several names of a bit counts, but that of a number of a bit goes before one that says where a group
// begins: NETIF_F_GSO_SHIFT is NETIF_F_TSO_BIT.
func flagNames(enum *btf.Enum, n uint64, numbers bool) (names []string, rest uint64) {
	var of [64]string
	for _, e := range enum.Values() {
		bit := e.Value
		if !numbers {
			if bits.OnesCount64(bit) != 1 {
				continue
			}
			bit = uint64(bits.TrailingZeros64(bit))
		}
		if bit < 64 && (of[bit] == "" || numbers && strings.HasSuffix(e.Name, "_BIT") && !strings.HasSuffix(of[bit], "_BIT")) {
			of[bit] = e.Name
		}
	}
	for ; n != 0; n &= n - 1 {
		if name := of[bits.TrailingZeros64(n)]; name != "" {
			names = append(names, name)
		} else {
			rest |= n & -n
		}
	}
	return names, rest
}

// isFlags reports whether an enum's values are meant to be combined: all but zero are one bit each,
// and they are more than two, as 1 and 2 are values of any short enum.
func isFlags(enum *btf.Enum) bool {
	n := 0
	for _, e := range enum.Values() {
		switch bits.OnesCount64(e.Value) {
		case 0:
		case 1:
			n++
		default:
			return false
		}
	}
	return n > 2
}
