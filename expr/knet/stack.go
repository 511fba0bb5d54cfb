// Package knet walks a kernel's network stack: namespaces, devices and their
// counters, protocol handlers, bonds, bridges and LLC; addresses, neighbours, qdiscs,
// sockets and who has them open, the protocols' counters, BPF programs and netfilter
// hooks.
//
// Vocabulary: a [Stack] is the network stack of one kernel, a [NetNS] a network
// namespace, a [Device] a struct net_device in one. Counters are in frames.
//
// Layouts differ between kernels; code here asks BTF whether a member exists and
// never the version. Where a layout changed, one function knows both forms and
// says in which release it did.
package knet

import (
	"kinspect/expr/host"
	"kinspect/expr/value"
)

// Stack is the network stack of one kernel.
type Stack struct {
	K     *value.Kernel
	Facts host.Facts

	nss   []NetNS // cached by Namespaces
	ssErr error

	mibs map[string]mibTable // cached by mibNames, by symbol

	copies *codeAnswer // cached by CopiesInReceive
}

// New returns the network stack of k.
func New(k *value.Kernel, f host.Facts) *Stack { return &Stack{K: k, Facts: f} }

// Anew is the same stack for another look at a live kernel: network namespaces come and go.
func (s *Stack) Anew() *Stack { return &Stack{K: s.K, Facts: s.Facts, mibs: s.mibs, copies: s.copies} }
