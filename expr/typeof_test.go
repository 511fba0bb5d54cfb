package expr

import (
	"context"
	"slices"
	"strings"
	"testing"
)

func TestNull(t *testing.T) {
	table := [][2]string{
		{"null() == NULL", "true"},
		{"NULL == null()", "true"},
		{"intp() == NULL", "false"},
		{"intp() != NULL", "true"},
		{"NULL == nil", "true"},
		{"NULL == 0", "true"},
		{"!NULL", "true"},
		{"NULL ? 1 : 2", "2"},
		{"NULL", "(void *)0x0"},
		{"type(NULL)", `"void *"`},
		{"sizeof(NULL)", "8"},
		{"sizeof NULL", "8"},
		{"(unsigned long)NULL", "error: no kernel is open"},
		{"NULL.x", "error: void * has no members, so no x"},
		{"*NULL", "error: NULL pointer: the void * is not set"},
		{"[null(), intp()] | filter(# != NULL) | len()", "1"},
		{"let NULL = 3; NULL + 1", "4"},
	}
	cases(t, testSession(), table)
	cases(t, testKernel(t, "6.12"), [][2]string{
		{"(struct net *)NULL", "(struct net *)0x0"},
		{"((struct net *)NULL)?.ns.inum", "nil"},
		{"&((struct sk_buff *)NULL)->cb == (void *)offsetof(struct sk_buff, cb)", "true"},
		{"(unsigned long)NULL", "(unsigned long)0"},
		{"netdev('lo')->rx_handler == NULL", "true"},
		{"netdev('veth0')->rx_handler == NULL", "false"},
		{"netdev('lo')->dev_list.next == NULL", "false"},
		{"(netdev('lo') ?: NULL) == netdev('lo')", "true"},
		{"netdev(NULL)", "error: the name of a device has to be a string, not void *"},
		{"container_of(NULL, struct net_device, dev_list)", "error: the pointer is NULL: it is a member of nothing"},
	})
	r, err := testSession().Eval(context.Background(), "NULL")
	if err != nil {
		t.Fatal(err)
	}
	object, err := r.JSON()
	if m, _ := object.(map[string]any); err != nil || m["value"] != "0x0" || m["type"] != "void *" {
		t.Errorf("%v %v", object, err)
	}
}

func TestTypeOf(t *testing.T) {
	cases(t, testSession(), [][2]string{
		{"(typeof(u8(1)))300", "error: no kernel is open"},
		{"(typeof(u8(1)))u64(300)", "(u8)44"},
		{"(typeof(ints()[0]) *)null() == nil", "true"},
		{"sizeof(typeof(ints()))", "16"},
		{"sizeof(typeof(*wild()))", "4"}, // not read
		{"sizeof(typeof(wild()[0] + u64(1)))", "8"},
		{"sizeof(typeof(u8(1)))", "1"},
		{"sizeof(typeof(u8(1) + u8(1)))", "4"},
		{"sizeof(typeof(-u8(1)))", "4"},
		{"sizeof(typeof(u8(1) << u64(70)))", "4"}, // not evaluated
		{"sizeof(typeof(1 == 2))", "4"},
		{"sizeof(typeof(&u8(1)))", "8"},
		{"sizeof(typeof(u8(1)) [3])", "3"},
		{"sizeof(typeof(u8(1)) *[3])", "24"},
		{"sizeof(__typeof__(u16(1)))", "2"},
		{"type((typeof(intp()) *)strp())", `"u32 **"`},
		{"map([1], (typeof(u8(#)))u64(257))", "[1]"},
		{"typeof([1])", "error: typeof is a type, and stands where one can: (typeof(x))y, sizeof(typeof(x)); type(x) says what type a value has"},
		{"sizeof(typeof([1]))", "error: this has no type of C's…"},
		{"sizeof(typeof())", "error: \")\" does not fit here"},
		{"sizeof(typeof(", "error: the expression is not complete"},
		{"sizeof(typeof(1)[99999999999])", "error: an array of 99999999999 elements is larger than any memory"},
	})
	cases(t, testKernel(t, "6.12"), [][2]string{
		{"(typeof(jiffies))5", "(unsigned long)5"},
		{"(typeof(u32))5", "(u32)5"},
		{"(const typeof(netdev('lo')) *)8", "(struct net_device **)0x8"},
		{"let d = netdev('lo'); (typeof(d->mtu))-1", "(unsigned int)4294967295"},
		{"let d = (struct net_device *)NULL; sizeof(typeof(*d)) == sizeof(struct net_device)", "true"},
		{"let d = (struct net_device *)NULL; type((typeof(d->dev_list.next))8)", `"struct list_head *"`},
		{"let d = (struct net_device *)NULL; type((typeof(&d->mtu))8)", `"unsigned int *"`},
		{"let d = netdev('lo'); container_of(init_net.dev_base_head.next, typeof(*d), dev_list) == d", "true"},
		{"offsetof(typeof(*netdev('lo')), name[3]) == offsetof(struct net_device, name[3])", "true"},
		{"let d = netdev('lo'); list_for_each(init_net.dev_base_head, typeof(*d), dev_list) | count()", "7"},
		{"netdevs() | map((typeof(.mtu))#index)", "[0, 1, 2, 3, 4, 5, 6]"},
		{"let d = netdev('lo'); sizeof(typeof(d->nosuch))", "error: struct net_device has no member \"nosuch\"…"},
	})
}

func TestComma(t *testing.T) {
	s := testSession()
	cases(t, s, [][2]string{
		{"(1, 2)", "2"},
		{"(1, 2, 3) + 1", "4"},
		{"[(1, 2), 3]", "[2, 3]"},
		{"max((1, 2), 1)", "2"},
		{"(1 / 0, 2)", "error: division by zero"},
		{"1, 2", "error: \",\" does not fit here"},
		{"(1, )", "error: \")\" does not fit here"},
		{"(,1)", "error: \",\" does not fit here"},
	})
	r, err := s.Eval(context.Background(), "(u8(1), u8(2))")
	if err != nil || !slices.Equal(r.Warnings, []string{"read as in C: (u8(1), u8(2)) is u8(2); a list has square brackets, [u8(1), u8(2)]"}) {
		t.Errorf("%q %v", r.Warnings, err)
	}
	out, _ := runScript(t, s, "print (1, 2)", false)
	if !strings.Contains(out, "these brackets make one expression of several") {
		t.Error(out)
	}
}
