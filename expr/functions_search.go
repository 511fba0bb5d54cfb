package expr

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kinspect/btf"
	"kinspect/expr/search"
	"kinspect/expr/value"
	"kinspect/kmem"
)

var searchFunctions = []Function{
	{
		Name: "search", Signature: "search(VALUE or 'TEXT' or [BYTE, …][, {mask, size, align}])", Topic: topicKernel,
		Doc: "where all memory of a dump has a number (aligned, of 8 bytes or with {size: 4} of 4; of a struct its address), a text or bytes: " +
			"{address, phys, direct, image, module, symbol, in_module, page_offset} of each place, by physical address, as kinspect search tells them",
		Examples: []string{
			"search(&init_net) | take(3)",
			"search('BOOT_IMAGE=') | map(.phys) | first()",
			"search(netdev('lo'), {mask: ~0xfffUL}) | filter(.symbol != nil)",
		},
		MinArgs: 1, MaxArgs: 2,
		Call: callSearch, Slow: true,
	},
}

func callSearch(c *Call) (any, error) {
	s := c.Session
	if !s.open() {
		return nil, errNoKernel
	}
	p, err := searchPattern(c)
	if err != nil {
		return nil, err
	}
	if s.kernel.Image.Live() {
		return nil, errors.New("search reads a dump: the memory of a running kernel changes meanwhile, and kinspect reads only what a question needs of it")
	}
	return s.sequence("matches", func(visit func(any) error) error {
		a, err := search.Each(s.ctx, s.kernel, s.kernel.Image, p, search.Options{Limit: search.MaxLimit}, func(h search.Hit) error {
			return visit(s.match(h))
		})
		if err != nil {
			return err
		}
		if a.Snapshot() {
			s.warn("a snapshot was searched: it holds what its command read, and no more of the kernel's memory")
		}
		if text := a.Filtered(); text != "" {
			s.warn("%s", strings.TrimSuffix(text, "\n"))
		}
		switch text := a.Unreadable(); {
		case a.More:
			return fmt.Errorf("there are more than %d matches: a longer pattern, or one that is aligned, has less; take(N) ends before", search.MaxLimit)
		case a.Interrupted:
			return s.ctx.Err()
		case text != "":
			return value.Faultf("%s", strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "; "))
		}
		return nil
	}), nil
}

// match is a place as a value of the language, which prints as the command has it.
func (s *Session) match(h search.Hit) *Record {
	void := &btf.Void{}
	number := func(text *string) any {
		if text == nil {
			return nil
		}
		n, err := strconv.ParseUint(*text, 0, 64)
		if err != nil {
			return nil
		}
		return n
	}
	at := func(text *string) any {
		if n, ok := number(text).(uint64); ok {
			return s.kernel.Pointer(void, kmem.Addr(n))
		}
		return nil
	}
	optional := func(text *string) any {
		if text == nil {
			return nil
		}
		return *text
	}
	var in any
	if h.In != "" {
		in = h.In
	}
	return newRecord(h.Text,
		"address", at(h.Address), "phys", number(h.Phys), "direct", at(h.Direct), "image", at(h.Image), "module", at(h.Module),
		"symbol", optional(h.Symbol), "in_module", in, "page_offset", int(h.Offset))
}

// searchPattern reads the arguments.
func searchPattern(c *Call) (p search.Pattern, err error) {
	options, err := searchOptions(c)
	if err != nil {
		return p, err
	}
	size, number := uint64(8), false
	if n, ok := options["size"]; ok {
		size = n
	}
	mask, masked := options["mask"]
	if !masked {
		mask = ^uint64(0)
	}
	switch x := c.Arg(0).(type) {
	case string:
		if x == "" {
			return p, errors.New("search wants a text that is not empty")
		}
		p, err = search.String(x)
	case []any:
		var b []byte
		if b, err = byteList(x); err == nil {
			p, err = search.Bytes(fmt.Sprintf("%x", b))
		}
	case dumped:
		p, err = search.Bytes(fmt.Sprintf("%x", x.data))
	default:
		number = true
		var v uint64
		if v, err = searchNumber(x, size); err == nil {
			p = search.Uint(v, mask, int(size))
		}
	}
	if err != nil {
		return p, err
	}
	if _, sized := options["size"]; (sized || masked) && !number {
		return p, errors.New("search: mask and size belong to a number")
	}
	if align, ok := options["align"]; ok {
		p.Align = align
	}
	return p, nil
}

// searchOptions is the second argument.
func searchOptions(c *Call) (map[string]uint64, error) {
	out := map[string]uint64{}
	if c.Arg(1) == nil {
		return out, nil
	}
	m, err := c.mapping(1)
	if err != nil {
		return nil, err
	}
	for name, x := range m {
		n, ok, err := numberOf(x)
		switch {
		case err != nil:
			return nil, err
		case !slices.Contains([]string{"mask", "size", "align"}, name):
			return nil, fmt.Errorf("search has no option %s: there are mask, size and align", value.Quote(name))
		case !ok || n.isFloat:
			return nil, fmt.Errorf("search: %s has to be a number, not %s", name, describe(x))
		case name == "size" && n.Bits != 4 && n.Bits != 8:
			return nil, errors.New("search: size is 4 or 8")
		case name == "mask" && n.Bits == 0:
			return nil, errors.New("search: a mask of no bits matches everywhere")
		case name == "align" && (n.Bits == 0 || n.Bits&(n.Bits-1) != 0 || n.Bits > search.MaxAlign):
			return nil, fmt.Errorf("search: align wants a power of two, up to %d", search.MaxAlign)
		}
		out[name] = n.Bits
	}
	return out, nil
}

func byteList(list []any) ([]byte, error) {
	out := make([]byte, 0, len(list))
	for _, x := range list {
		n, err := integer(x, "a byte")
		if err != nil {
			return nil, err
		}
		if n < 0 || n > 255 {
			return nil, fmt.Errorf("a byte is a number from 0 to 255, not %d", n)
		}
		out = append(out, byte(n))
	}
	if len(out) == 0 {
		return nil, errors.New("search wants a byte at least")
	}
	return out, nil
}

// searchNumber is a number, or where a struct or array lies. A negative one is its last bits.
func searchNumber(x any, size uint64) (uint64, error) {
	a, err := addressOf(x)
	if err != nil {
		return 0, err
	}
	v := uint64(a)
	if size == 4 {
		if v>>32 != 0 && v>>31 != 1<<33-1 {
			return 0, fmt.Errorf("%#x does not fit into 4 bytes", v)
		}
		v = uint64(uint32(v))
	}
	return v, nil
}
