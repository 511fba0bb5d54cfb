package expr

import (
	"errors"

	"kinspect/btf"
	"kinspect/expr/syntax"
)

// hasFunctions ask what the kernel has, for scripts that run on several.
var hasFunctions = []Function{
	{
		Name: "has_symbol", Signature: "has_symbol('SYMBOL')", Topic: topicKernel,
		Doc: "whether the kernel, or a module that is loaded, has a symbol or an enumerator of this name. Where it has not, an expression or script that asks so may name it all the same: " +
			"that is an error once it is evaluated, and not before",
		Examples: []string{"has_symbol('init_net') ? init_net.ifindex : nil"},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{SymbolArg},
		Call: func(c *Call) (any, error) {
			name, err := c.String(0, "the name of a symbol")
			if err != nil {
				return nil, err
			}
			if !c.Session.open() {
				return nil, errNoKernel
			}
			if _, err := c.Session.kernel.Symbols(); err != nil {
				return nil, err // nothing says that there is none
			}
			if _, ok := c.Session.kernel.LookupSymbol(name); ok {
				return true, nil
			}
			if _, err := c.Session.kernel.Global(name); err == nil {
				return true, nil
			}
			_, ok := c.Session.enumerator(name)
			return ok, nil
		},
	},
	{
		Name: "has_type", Signature: "has_type('TYPE')", Topic: topicType,
		Doc:      "whether the kernel, or one of its modules, has a type, and knows what it is",
		Examples: []string{"has_type('struct net_device')"},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{TypeArg},
		Call: func(c *Call) (any, error) {
			t, err := c.typeArg(0)
			if errors.Is(err, btf.ErrNotFound) {
				return false, nil
			}
			return err == nil && !declaredOnly(t), err
		},
	},
}

// guarded are the names that a text asks for by has_symbol.
func guarded(src []rune) map[string]bool {
	words, err := syntax.Lexemes(src, 0, maxLexemes)
	if err != nil {
		return nil
	}
	var names map[string]bool
	for i := range words {
		if i+2 >= len(words) || !words[i].Is("has_symbol") || !words[i+1].Is("(") || words[i+2].Kind != syntax.Text {
			continue
		}
		if names == nil {
			names = map[string]bool{}
		}
		text := words[i+2].Text
		names[text[1:len(text)-1]] = true
	}
	return names
}
