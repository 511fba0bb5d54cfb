//go:build !linux

package privilege

// Start does nothing: only Linux has capabilities.
func Start(Set) error { return nil }

// Keep does nothing: only Linux has capabilities.
func Keep(effective, permitted Set) error { return nil }

// With calls f.
func With(_ Set, f func()) { f() }

// Without calls f.
func Without(_ Set, f func()) { f() }
