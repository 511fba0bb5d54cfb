package expr

import (
	"context"
	"errors"
	"maps"
)

// Block is [Session.Script] for the statements of a prompt: they see the session's variables and
// set them, and the functions that they define are the session's from then on. The error is an
// [*Error].
func (s *Session) Block(src string) (script *Script, err error) {
	own := *s
	own.functions, own.typedefs = maps.Clone(s.functions), map[string]bool{}
	p := &Script{src: src, s: &own, outer: s}
	own.begin(own.ctx)
	defer func() {
		if r := recover(); r != nil {
			script, err = nil, p.failure(internal(r)).Err
		}
	}()
	parser, all, failed := parseScript(src)
	if failed == nil {
		p.lines(parser.src)
		p.runes = parser.src
		failed = p.compile(all)
	}
	if failed != nil {
		return nil, p.failure(failed).Err
	}
	return p, nil
}

// RunBlock runs what [Session.Block] made. It is [Script.Run], with an [*Error] for what ended it.
func (p *Script) RunBlock(ctx context.Context, c ScriptConfig) (ScriptResult, error) {
	p.active = true
	defer func() { p.active = false }()
	result, err := p.Run(ctx, c)
	for _, v := range p.kept {
		if _, none := p.globals.slots[v.slot].v.(unset); !none {
			p.outer.Set(v.name, p.globals.slots[v.slot].v)
		}
	}
	if err == nil {
		for _, f := range p.defined {
			p.outer.Register(*f)
		}
	}
	var at *ScriptError
	if errors.As(err, &at) {
		return result, at.Err
	}
	return result, err
}

// load gives the variables of the prompt the values that the session has.
func (p *Script) load(f *frame) {
	for _, v := range p.kept {
		if x, ok := p.outer.variables[v.name]; ok {
			f.slots[v.slot].v = x
		}
	}
}

// enter prepares a call of a prompt's function by an expression of the session: it runs within that
// evaluation, on the variables as they are now.
func (p *Script) enter(c *Call) (leave func()) {
	if p.outer == nil || p.active {
		return func() {}
	}
	p.active = true
	p.s.running = c.Session.running
	p.s.warnings, p.held = nil, 0
	p.warned = map[scriptWarning]bool{}
	f := p.s.frame()
	f.slots = make([]slot, p.slots)
	p.globals = f
	p.load(f)
	return func() { p.active = false }
}
