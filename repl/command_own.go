package repl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

// ownCommands stand for functions of the language, and for gdb's x.
var ownCommands = []command{
	{
		name: "type", usage: "type TYPE or EXPRESSION", arg: argType, example: "type struct list_head",
		about:  "a type's definition, with offsets and sizes",
		more:   "The word struct, union or enum may be left out where that is clear.",
		expand: func(r *runner, args string) ([]string, error) { return one("layout("+r.typeArg(args)+")", args) },
	},
	{
		name: "sym", usage: "sym ADDR|SYMBOL[+OFFSET] [N]", like: "crash", arg: argSymbol, example: "sym init_net 1",
		about:  "a symbol's address, or an address's symbol, and N neighbours",
		more:   "OFFSET is hexadecimal. Not supported: -l, -m, -M, -p, -n, -q (N shows the neighbours).",
		expand: expandSym,
	},
	{
		name: "dis", usage: "dis FUNCTION|ADDR [N]", like: "crash", arg: argSymbol, example: "dis netif_rx",
		about:  "a function's machine code, or N instructions at an address",
		more:   "Not supported: -r, -f, -l, -s, -u, -x, -d.",
		expand: expandDis,
	},
	{
		name: "x", usage: "x/[COUNT][FORMAT][SIZE] ADDR", like: "gdb", arg: argSymbol, example: "x/4xg init_net",
		about:  "memory: x/16gx ADDR; formats x d u c s i a, sizes b h w g",
		more:   "A symbol stands for its address. Not supported: formats o t f z.",
		expand: expandX,
	},
}

// one is the expansion to a single expression, of arguments that must be there.
func one(src, args string) ([]string, error) {
	if args == "" {
		return nil, errUsage
	}
	return []string{src}, nil
}

// options takes the options off the front of arguments; known are their letters or
// words.
func options(args string, known ...string) (opts []string, rest string, err error) {
	rest = strings.TrimSpace(args)
	for len(rest) > 1 && rest[0] == '-' {
		word, after, _ := strings.Cut(rest, " ")
		found := false
		for _, k := range known {
			found = found || word == "-"+k
		}
		if !found {
			return nil, "", fmt.Errorf("there is no option %s here", word)
		}
		opts = append(opts, word[1:])
		rest = strings.TrimSpace(after)
	}
	return opts, rest, nil
}

// splitCount takes a number off the end of arguments, where an operand stands before it.
func splitCount(args string) (rest string, count int, ok bool) {
	i := strings.LastIndexAny(args, " \t")
	if i < 0 {
		return args, 0, false
	}
	n, err := strconv.ParseInt(args[i+1:], 0, 32)
	before := strings.TrimSpace(args[:i])
	if err != nil || n < 0 || before == "" || strings.ContainsRune("+-*/%&|^~<>=!?:,([{", rune(before[len(before)-1])) {
		return args, 0, false
	}
	return before, int(n), true
}

// address is the expression for an address as crash and gdb take it: a number, also
// hexadecimal without 0x, a symbol, which stands for its address, or an expression.
func (r *runner) address(s string) string {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "&"); ok && r.isSymbol(rest) {
		s = rest
	}
	if unquoted := strings.Trim(s, `'"`); isName(unquoted) {
		s = unquoted
	}
	if r.isSymbol(s) {
		return "addr('" + s + "')"
	}
	if name, off, ok := strings.Cut(s, "+"); ok && r.isSymbol(strings.TrimSpace(name)) {
		if _, err := strconv.ParseUint(strings.TrimSpace(off), 0, 64); err == nil {
			return "addr('" + strings.TrimSpace(name) + "') + " + strings.TrimSpace(off)
		}
	}
	if _, variable := r.Session.Variable(s); !variable && isHexAddress(s) {
		return "0x" + s
	}
	return s
}

// place is an expression for an address, where it may be a struct or an array, which stands for where it
// lies, as for rd. Only a path of members is looked at: what else there is may take long.
func (r *runner) place(src string) string {
	if !strings.ContainsAny(src, ".>") || !isName(strings.NewReplacer("->", "", "[", "", "]", "").Replace(src)) {
		return src
	}
	res, err := r.Session.Eval(context.Background(), src)
	if err != nil {
		return src
	}
	if v, ok := res.Value.(value.Value); ok && !v.IsScalar() {
		if _, ok := v.Addr(); ok {
			return "addr(" + src + ")"
		}
	}
	return src
}

// isHexAddress reports whether a text is an address of the kernel without 0x.
func isHexAddress(s string) bool {
	return len(s) == 16 && s[0] == 'f' && strings.Trim(s, "0123456789abcdef") == ""
}

// isName reports whether a text is a name and nothing else.
func isName(s string) bool {
	return s != "" && (s[0] < '0' || s[0] > '9') &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$") == ""
}

// isSymbol reports whether a text is the name of a symbol of the kernel, and of no variable.
func (r *runner) isSymbol(s string) bool {
	k := r.Session.Kernel()
	if _, variable := r.Session.Variable(s); variable || !isName(s) || k == nil {
		return false
	}
	_, ok := k.LookupSymbol(s)
	return ok
}

// typeArg is the argument of layout: a type in quotes, or an expression.
func (r *runner) typeArg(args string) string {
	args = strings.Trim(args, `'"`)
	if _, variable := r.Session.Variable(args); variable || strings.ContainsAny(args, "()->&'\"") {
		return args
	}
	return "'" + r.tagged(args) + "'"
}

// tagged is a type with the word that belongs to it, where that was left out.
func (r *runner) tagged(name string) string {
	k := r.Session.Kernel()
	base := strings.TrimRight(name, "* ")
	if k == nil || !isName(base) {
		return name
	}
	types, err := k.Types()
	if err != nil || len(types.All(btf.Typedefs|btf.Ints, base)) > 0 {
		return name
	}
	for _, tag := range []struct {
		kind btf.Kinds
		word string
	}{{btf.Structs, "struct "}, {btf.Unions, "union "}, {btf.Enums, "enum "}} {
		if len(types.All(tag.kind, base)) > 0 {
			return tag.word + name
		}
	}
	return name
}

func expandSym(r *runner, args string) ([]string, error) {
	_, args, err := options(args)
	if err != nil || args == "" {
		return nil, errors.Join(err, errUsageIf(err == nil))
	}
	what, n, neighbours := splitCount(args)
	what = strings.Trim(what, `'"`)
	name, _, _ := strings.Cut(what, "+")
	switch {
	case isHexAddress(what):
		what = "0x" + what
	case r.isSymbol(strings.TrimSpace(name)) && !strings.Contains(what, " "):
		what = "'" + what + "'"
	}
	if neighbours {
		return []string{fmt.Sprintf("symbols(%s, %d)", what, n)}, nil
	}
	return []string{"symbols(" + what + ")"}, nil
}

func errUsageIf(yes bool) error {
	if yes {
		return errUsage
	}
	return nil
}

func expandDis(r *runner, args string) ([]string, error) {
	_, args, err := options(args)
	if err != nil || args == "" {
		return nil, errors.Join(err, errUsageIf(err == nil))
	}
	where, n, counted := splitCount(args)
	if name := strings.Trim(where, `'"`); r.isSymbol(name) {
		where = "'" + name + "'"
	} else {
		where = r.address(where)
	}
	if counted {
		return []string{fmt.Sprintf("dis(%s, %d)", where, n)}, nil
	}
	return []string{"dis(" + where + ")"}, nil
}

// expandX is gdb's x/COUNT FORMAT SIZE, the latter two in whatever order.
func expandX(r *runner, args string) ([]string, error) {
	spec, where, _ := strings.Cut(args, " ")
	digits := len(spec) - len(strings.TrimLeft(spec, "0123456789"))
	count := 1
	if digits > 0 {
		n, err := strconv.Atoi(spec[:digits])
		if err != nil || n < 1 || n > 1<<20 {
			return nil, fmt.Errorf("the count has to be between 1 and %d, not %s", 1<<20, spec[:digits])
		}
		count = n
	}
	format, size := byte('x'), 0
	for _, c := range []byte(spec[digits:]) {
		switch c {
		case 'b', 'h', 'w', 'g':
			size = map[byte]int{'b': 1, 'h': 2, 'w': 4, 'g': 8}[c]
		case 'x', 'd', 'u', 'c', 's', 'i', 'a':
			format = c
		default:
			return nil, fmt.Errorf("there is no format or size %q: formats are x d u c s i a, sizes b h w g", string(c))
		}
	}
	at := r.address(where)
	if size == 0 {
		size = 4
	}
	switch format {
	case 'd', 'u':
		sign := map[byte]string{'d': "s", 'u': "u"}[format]
		return []string{fmt.Sprintf("deref(cast('%s%d (*)[%d]', %s))", sign, 8*size, count, at)}, nil
	case 'c':
		return []string{fmt.Sprintf("mem(%s, %d)", at, count)}, nil
	case 's':
		if count != 1 {
			return nil, errors.New("x/s shows one string: string(cast('char *', ADDR))")
		}
		return []string{fmt.Sprintf("string(cast('char *', %s))", at)}, nil
	case 'i':
		return []string{fmt.Sprintf("dis(%s, %d)", at, count)}, nil
	case 'a':
		size = 8
	}
	return []string{fmt.Sprintf("words(%s, %d, %d)", at, count, size)}, nil
}
