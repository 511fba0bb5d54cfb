package expr

import "kinspect/expr/value"

// follow reads a pointer that is about to be followed, once, and refuses what
// could not be right: per-CPU pointers, and addresses that are not the kernel's.
// What is no pointer is passed on.
func follow(v value.Value) (value.Value, error) {
	if !v.IsPointer() || v.IsPerCPU() {
		return v, nil
	}
	if !v.IsPerCPUPointer() {
		var err error
		if v, err = v.Load(); err != nil {
			return v, err
		}
	}
	return v, v.Followed()
}
