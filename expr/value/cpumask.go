package value

import (
	"fmt"
	"math/bits"

	"kinspect/btf"
)

// CPUMask lists the CPUs in a mask, by number: a struct cpumask, a pointer to one, or a
// cpumask_var_t, which is either a pointer or an array of one. Bits beyond nr_cpu_ids
// mean nothing, and the memory of a cpumask_var_t ends before them.
func (k *Kernel) CPUMask(mask Value) ([]int, error) {
	var err error
	switch btf.Underlying(mask.typ).(type) {
	case *btf.Pointer, *btf.Array:
		if mask, err = mask.Deref(); err != nil {
			return nil, err
		}
	}
	st, ok := btf.Underlying(mask.typ).(*btf.Struct)
	if !ok || st.Name != "cpumask" {
		return nil, fmt.Errorf("%s is no struct cpumask", mask.typ)
	}
	words, err := mask.Member("bits")
	if err != nil {
		return nil, err
	}
	possible, err := k.CPUs()
	if err != nil {
		return nil, err
	}
	most := possible[len(possible)-1] + 1 // nr_cpu_ids
	var cpus []int
	n, _ := words.Len()
	for i := range min(n, (most+63)/64) {
		word, err := words.Index(int64(i))
		if err != nil {
			return nil, err
		}
		w, err := word.Uint()
		if err != nil {
			return nil, err
		}
		for ; w != 0; w &= w - 1 {
			if cpu := 64*i + bits.TrailingZeros64(w); cpu < most {
				cpus = append(cpus, cpu)
			}
		}
	}
	return cpus, nil
}

// PerCPUSum adds an integer over all possible CPUs' copies. A struct of one member, such
// as u64_stats_t or a counter, stands for that member.
func (k *Kernel) PerCPUSum(v Value, path string) (Num, error) {
	var sum Num
	err := k.EachCPU(v, func(_ int, v Value) error {
		var err error
		if path != "" {
			if v, err = v.Path(path); err != nil {
				return err
			}
		}
		if v, err = v.Only(); err != nil {
			return err
		}
		if _, ok := btf.Underlying(v.typ).(*btf.Pointer); ok {
			return fmt.Errorf("%s is no number", v.typ)
		}
		n, err := v.Num()
		if err != nil {
			return err
		}
		sum.Size, sum.Signed = 8, n.Signed
		sum.Bits += n.Bits
		return nil
	})
	return sum, err
}

// Only is the innermost member of structs that have one member each, such as u64_stats_t or atomic_t; of
// anything else it is the value itself.
func (v Value) Only() (Value, error) {
	for range 8 {
		st, ok := btf.Underlying(v.typ).(*btf.Struct)
		if !ok {
			break
		}
		members := st.Members()
		if len(members) != 1 || members[0].Name == "" {
			return v, fmt.Errorf("%s has %d members: name one of them", v.typ, len(members))
		}
		var err error
		if v, err = v.Member(members[0].Name); err != nil {
			return v, err
		}
	}
	return v, nil
}
