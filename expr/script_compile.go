package expr

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kinspect/expr/syntax"
)

// control is how a statement ended.
type control uint8

const (
	goOn control = iota
	breaks
	continues
	returns
)

// step is a compiled statement.
type step func(f *frame) (control, error)

// scriptCompiler compiles the statements of a script's body, or of one of its
// functions. All variables of a body are slots of one frame.
type scriptCompiler struct {
	p     *Script
	c     *compiler
	block int // where the variables of the innermost block begin in c.vars
	loops int
	inFn  bool
}

// unset is what a variable of the script has before its let has run.
type unset struct{}

// topicScript is that of functions that a script, or the prompt, defines.
const topicScript = "script"

// scriptFunction is a function of the script: callable before its text, since a
// function may call one that stands below it.
type scriptFunction struct {
	def  *statement
	run  step
	c    *compiler
	args []int // their slots
}

// Script parses and compiles a script. name is what errors call it. All of it is
// looked at before any of it runs: a name that the kernel does not have is an error
// here. The error is a [*ScriptError].
func (s *Session) Script(name, src string) (script *Script, err error) {
	own := *s
	own.functions, own.typedefs = maps.Clone(s.functions), map[string]bool{}
	p := &Script{name: name, src: src, s: &own}
	own.begin(own.ctx)
	defer func() {
		if r := recover(); r != nil {
			script, err = nil, p.failure(internal(r))
		}
	}()
	parser, all, failed := parseScript(src)
	if failed != nil {
		return nil, p.failure(failed)
	}
	p.lines(parser.src)
	p.runes = parser.src
	if failed := p.compile(all); failed != nil {
		return nil, p.failure(failed)
	}
	return p, nil
}

func (p *Script) compile(all []*statement) *Error {
	var functions []*scriptFunction
	for _, d := range all {
		if d.word != "fn" {
			continue
		}
		if old, ok := p.s.functions[d.name]; ok && (p.outer == nil || old.Topic != topicScript || p.defined[d.name] != nil) {
			return p.errorAt(d.named, "there is a function %s already: %s", d.name, old.Signature)
		}
		f := &scriptFunction{def: d}
		functions = append(functions, f)
		p.s.functions[d.name] = p.function(f)
		if p.defined == nil {
			p.defined = map[string]*Function{}
		}
		p.defined[d.name] = p.s.functions[d.name]
	}
	p.guarded = guarded(p.runes)
	b := &scriptCompiler{p: p, c: &compiler{s: p.s, guarded: p.guarded}}
	if p.outer == nil {
		p.args = b.declare("args")
	} else {
		p.args = -1
		for _, name := range p.outer.Variables() {
			p.kept = append(p.kept, variable{name: name, slot: b.declare(name)})
		}
	}
	steps := make([]step, 0, len(all))
	for _, d := range all {
		if d.word == "fn" {
			i := slices.IndexFunc(functions, func(f *scriptFunction) bool { return f.def == d })
			if err := b.define(functions[i]); err != nil {
				return err
			}
			continue
		}
		st, err := b.statement(d)
		if err != nil {
			return err
		}
		steps = append(steps, st)
	}
	p.body, p.slots = sequenceOf(steps), b.c.slots
	return nil
}

// function is what the language calls.
func (p *Script) function(f *scriptFunction) *Function {
	names := make([]string, len(f.def.params))
	for i, n := range f.def.params {
		names[i] = n.name
	}
	return &Function{
		Name: f.def.name, Signature: f.def.name + "(" + strings.Join(names, ", ") + ")",
		Doc: "A function of the script.", Topic: topicScript,
		MinArgs: len(names), MaxArgs: len(names),
		Call: func(c *Call) (any, error) {
			defer p.enter(c)()
			return p.call(f, c.Args)
		},
		Slow: true,
	}
}

// define compiles a function's body. It sees the variables of the script that are
// declared above it, and does not set them.
func (b *scriptCompiler) define(f *scriptFunction) *Error {
	in := &scriptCompiler{p: b.p, c: &compiler{s: b.p.s, guarded: b.p.guarded}, inFn: true}
	for _, v := range b.c.vars {
		v.global = true
		in.c.vars = append(in.c.vars, v)
	}
	in.block = len(in.c.vars)
	for _, n := range f.def.params {
		f.args = append(f.args, in.declare(n.name))
	}
	body, err := in.statements(f.def.body)
	f.run, f.c = body, in.c
	return err
}

func (b *scriptCompiler) declare(name string) int {
	slot := b.c.slot()
	b.c.vars = append(b.c.vars, variable{name: name, slot: slot})
	if !b.inFn {
		b.p.declared = append(b.p.declared, slot)
	}
	return slot
}

// inBlock compiles what has variables of its own.
func (b *scriptCompiler) inBlock(body []*statement, names ...string) (run step, slots []int, err *Error) {
	outer, block := len(b.c.vars), b.block
	b.block = outer
	for _, n := range names {
		slots = append(slots, b.declare(n))
	}
	run, err = b.statements(body)
	b.c.vars, b.block = b.c.vars[:outer], block
	return run, slots, err
}

func (b *scriptCompiler) statements(all []*statement) (step, *Error) {
	steps := make([]step, len(all))
	for i, d := range all {
		var err *Error
		if steps[i], err = b.statement(d); err != nil {
			return nil, err
		}
	}
	return sequenceOf(steps), nil
}

func sequenceOf(steps []step) step {
	return func(f *frame) (control, error) {
		for _, s := range steps {
			if err := f.check(); err != nil {
				return goOn, err
			}
			if c, err := s(f); c != goOn || err != nil {
				return c, err
			}
		}
		return goOn, nil
	}
}

// expression is a compiled one of the script.
type expression struct {
	p    *Script
	run  code
	cond func(f *frame) (bool, error)
	from int
	text string
}

// expression compiles a part of the text, as a value or as a condition.
func (b *scriptCompiler) expression(t scriptText, condition bool) (*expression, *Error) {
	return b.expressionIn(t, condition, nil)
}

// update compiles what x op= EXPR, x++ and x-- set x to.
func (b *scriptCompiler) update(d *statement) (*expression, *Error) {
	around := func(n syntax.Node) syntax.Node {
		return &syntax.Binary{Op: d.op, X: &syntax.Name{Name: d.name}, Y: n}
	}
	if len(d.exprs) > 0 {
		return b.expressionIn(d.exprs[0], false, around)
	}
	one := &syntax.Int{Bits: 1, Size: 4, Signed: true}
	return b.expressionIn(scriptText{d.named, d.named + len([]rune(d.name))}, false,
		func(syntax.Node) syntax.Node { return around(one) })
}

// expressionIn is expression, as the operand of what around makes of it, which may be nil.
func (b *scriptCompiler) expressionIn(t scriptText, condition bool, around func(syntax.Node) syntax.Node) (*expression, *Error) {
	s := b.p.s
	e := &expression{p: b.p, from: t.from, text: string(b.p.runes[t.from:t.to])}
	tree, err := syntax.Parse(e.text, scriptNames{sessionNames{s}, b.c})
	if err != nil {
		return nil, b.p.moved(s.parseError(e.text, err), t.from)
	}
	for _, w := range tree.Warnings {
		b.p.warnings = append(b.p.warnings, scriptWarning{t.from, w})
	}
	if seq, ok := tree.Root.(*syntax.Seq); ok && seq.Comma {
		return nil, b.p.errorAt(t.from, "these brackets make one expression of several, of which the last one counts, as in C: print, assert and the like take theirs without brackets")
	}
	if around != nil {
		tree.Root = around(tree.Root)
	}
	if condition {
		e.cond = b.c.condition(tree.Root)
	} else {
		e.run = b.c.node(tree.Root).run
	}
	if b.c.err != nil {
		return nil, b.p.moved(b.c.err, t.from)
	}
	for _, w := range s.warnings {
		b.p.warnings = append(b.p.warnings, scriptWarning{t.from, w})
	}
	s.warnings = nil
	return e, nil
}

// scriptNames knows the variables of the script: a name of theirs is no type.
type scriptNames struct {
	sessionNames
	c *compiler
}

// IsType implements [syntax.Names].
func (n scriptNames) IsType(name string) bool {
	return !n.c.isVariable(name) && n.sessionNames.IsType(name)
}

func (b *scriptCompiler) expressions(all []scriptText) ([]*expression, *Error) {
	out := make([]*expression, len(all))
	for i, t := range all {
		var err *Error
		if out[i], err = b.expression(t, false); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *scriptCompiler) statement(d *statement) (step, *Error) {
	p := b.p
	switch d.word {
	case "if":
		return b.ifElse(d)
	case "for":
		return b.loop(d)
	case "assert", "require":
		return b.assertion(d)
	case "break", "continue":
		if b.loops == 0 {
			return nil, p.errorAt(d.at, "%s is of a for, and there is none around", d.word)
		}
		c := breaks
		if d.word == "continue" {
			c = continues
		}
		return func(*frame) (control, error) { return c, nil }, nil
	}
	if d.op != "" {
		if _, err := b.assigned(d); err != nil { // that there is none such is the error, not that it has no value
			return nil, err
		}
		e, err := b.update(d)
		if err != nil {
			return nil, err
		}
		return b.assignment(d, e)
	}
	exprs, err := b.expressions(d.exprs)
	if err != nil {
		return nil, err
	}
	switch d.word {
	case "":
		return func(f *frame) (control, error) { return goOn, p.show(f, exprs, false) }, nil
	case "print":
		return func(f *frame) (control, error) { return goOn, p.show(f, exprs, true) }, nil
	case "warn":
		return func(f *frame) (control, error) { return goOn, p.warnUser(f, d.at, exprs) }, nil
	case "exit":
		return p.leave(exprs), nil
	case "return":
		if !b.inFn {
			return nil, p.errorAt(d.at, "return is of a function: exit ends the script")
		}
		return func(f *frame) (control, error) {
			p.returned = nil
			if len(exprs) == 0 {
				return returns, nil
			}
			v, err := exprs[0].value(f)
			p.returned = v
			return returns, err
		}, nil
	}
	return b.assignment(d, exprs[0])
}

// assignment compiles let and =.
func (b *scriptCompiler) assignment(d *statement, e *expression) (step, *Error) {
	slot := -1
	if d.word == "let" {
		for _, v := range b.c.vars[b.block:] {
			if v.name == d.name && !v.global {
				return nil, b.p.errorAt(d.named, "there is a variable %s already: %s = … sets it", d.name, d.name)
			}
		}
		slot = b.declare(d.name)
	} else {
		var err *Error
		if slot, err = b.assigned(d); err != nil {
			return nil, err
		}
	}
	return func(f *frame) (control, error) {
		v, err := e.value(f)
		if err != nil {
			return goOn, err
		}
		return goOn, b.p.set(&f.slots[slot], v, d.named)
	}, nil
}

// assigned is the slot of the variable that a statement sets.
func (b *scriptCompiler) assigned(d *statement) (int, *Error) {
	for _, v := range slices.Backward(b.c.vars) {
		if v.name != d.name {
			continue
		}
		if v.global {
			return 0, b.p.errorAt(d.named, "a function cannot set %s, which is the script's: return a value, or use let for a variable of its own", d.name)
		}
		return v.slot, nil
	}
	return 0, b.p.errorAt(d.named, "there is no variable %s: let %s = … makes one", d.name, d.name)
}

func (b *scriptCompiler) ifElse(d *statement) (step, *Error) {
	type arm struct {
		cond *expression
		run  step
	}
	arms := make([]arm, len(d.arms))
	for i, a := range d.arms {
		var err *Error
		if a.cond != nil {
			if arms[i].cond, err = b.expression(*a.cond, true); err != nil {
				return nil, err
			}
		}
		if arms[i].run, _, err = b.inBlock(a.body); err != nil {
			return nil, err
		}
	}
	return func(f *frame) (control, error) {
		for _, a := range arms {
			ok := true
			if a.cond != nil {
				var err error
				if ok, err = a.cond.truth(f); err != nil {
					return goOn, err
				}
			}
			if ok {
				return a.run(f)
			}
		}
		return goOn, nil
	}, nil
}

func (b *scriptCompiler) loop(d *statement) (step, *Error) {
	list, err := b.expression(d.exprs[0], false)
	if err != nil {
		return nil, err
	}
	b.loops++
	body, slots, err := b.inBlock(d.body, d.name)
	b.loops--
	if err != nil {
		return nil, err
	}
	p := b.p
	return func(f *frame) (control, error) {
		l, err := list.value(f)
		if err != nil {
			return goOn, err
		}
		return p.each(f, l, d.exprs[0].from, func(x any) (control, error) {
			if err := p.set(&f.slots[slots[0]], x, d.named); err != nil {
				return goOn, err
			}
			return body(f)
		})
	}, nil
}

func (b *scriptCompiler) assertion(d *statement) (step, *Error) {
	cond, err := b.expression(d.exprs[0], true)
	if err != nil {
		return nil, err
	}
	message, err := b.expressions(d.exprs[1:])
	if err != nil {
		return nil, err
	}
	return func(f *frame) (control, error) {
		b.p.result.Checked++
		ok, err := cond.truth(f)
		if ok || err != nil {
			return goOn, err
		}
		if err := b.p.failed(f, d.at, cond.text, message); err != nil {
			return goOn, err
		}
		if d.word == "require" {
			return goOn, &scriptExit{code: -1}
		}
		return goOn, nil
	}, nil
}

// global is a variable of the script, in one of its functions.
func (c *compiler) global(v variable, at int) *compiled {
	return &compiled{run: func(f *frame) (any, error) {
		if f.globals == nil {
			return nil, errorAt("", at, "%s has no value here", v.name)
		}
		x := f.globals.slots[v.slot].v
		if _, ok := x.(unset); ok {
			return nil, &Error{Msg: fmt.Sprintf("%s has no value yet: the function is called above its let", v.name), Column: at}
		}
		return x, nil
	}}
}
