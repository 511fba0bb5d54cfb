package value

import (
	"fmt"
	"math/bits"

	"kinspect/btf"
	"kinspect/kmem"
)

// maxCPUs is the largest CONFIG_NR_CPUS of x86-64.
const maxCPUs = 8192

// CPUs lists the possible CPUs, by number.
func (k *Kernel) CPUs() ([]int, error) {
	k.cpusOnce.Do(func() { k.cpus, k.cpusErr = k.readCPUs() })
	return k.cpus, k.cpusErr
}

func (k *Kernel) readCPUs() ([]int, error) {
	mask, err := k.Global("__cpu_possible_mask")
	if err != nil {
		return nil, err
	}
	words, err := mask.Path("bits")
	if err != nil {
		return nil, err
	}
	n, _ := words.Len()
	if n > maxCPUs/64 {
		return nil, fmt.Errorf("the mask of possible CPUs claims %d words", n)
	}
	data, err := words.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the mask of possible CPUs: %w", err)
	}
	var cpus []int
	for i := range n {
		for w := le64(data[8*i:]); w != 0; w &= w - 1 {
			cpus = append(cpus, 64*i+bits.TrailingZeros64(w))
		}
	}
	if len(cpus) == 0 {
		return nil, fmt.Errorf("the mask of possible CPUs is empty")
	}
	table, err := k.Global("__per_cpu_offset")
	if err != nil {
		return nil, err
	}
	base, _ := table.Addr()
	raw := make([]byte, 8*(cpus[len(cpus)-1]+1))
	if err := k.ReadMem(base, raw); err != nil {
		return nil, fmt.Errorf("reading __per_cpu_offset: %w", err)
	}
	for i := range len(raw) / 8 {
		k.cpuOff = append(k.cpuOff, kmem.Addr(le64(raw[8*i:])))
	}
	return cpus, nil
}

// PerCPU is one CPU's copy of a per-CPU variable, or of what a __percpu pointer
// points to. Its address is the variable's plus __per_cpu_offset[cpu]
// (include/linux/percpu-defs.h), wrapping.
func (k *Kernel) PerCPU(v Value, cpu int) (Value, error) {
	cpus, err := k.CPUs()
	if err != nil {
		return Value{}, err
	}
	if !k.possible(cpu) {
		return Value{}, fmt.Errorf("there is no CPU %d: the possible ones are %s", cpu, cpuList(cpus))
	}
	if v.place == perCPU {
		return k.Ref(v.typ, v.addr+k.cpuOff[cpu]), nil
	}
	if p, ok := btf.Underlying(v.typ).(*btf.Pointer); ok {
		a, err := v.Pointer()
		if err != nil {
			return Value{}, err
		}
		if a == 0 {
			return Value{}, Faultf("NULL pointer: the %s is not set", v.typ)
		}
		return k.Ref(p.Target(), a+k.cpuOff[cpu]), nil
	}
	return Value{}, fmt.Errorf("%s is neither a per-CPU variable nor a per-CPU pointer", v.typ)
}

// CPUOffset is how far a CPU's copies of the per-CPU variables are from where their symbols say:
// __per_cpu_offset, and what GS has while that CPU runs the kernel.
func (k *Kernel) CPUOffset(cpu int) (kmem.Addr, error) {
	cpus, err := k.CPUs()
	if err != nil {
		return 0, err
	}
	if !k.possible(cpu) {
		return 0, fmt.Errorf("there is no CPU %d: the possible ones are %s", cpu, cpuList(cpus))
	}
	return k.cpuOff[cpu], nil
}

func (k *Kernel) possible(cpu int) bool {
	for _, c := range k.cpus {
		if c == cpu {
			return true
		}
	}
	return false
}

// EachCPU calls visit with every possible CPU's copy of v.
func (k *Kernel) EachCPU(v Value, visit func(cpu int, v Value) error) error {
	cpus, err := k.CPUs()
	if err != nil {
		return err
	}
	for _, cpu := range cpus {
		c, err := k.PerCPU(v, cpu)
		if err != nil {
			return err
		}
		if err := visit(cpu, c); err != nil {
			return err
		}
	}
	return nil
}

// cpuList prints CPU numbers as ranges, "0-3,8".
func cpuList(cpus []int) string {
	var out string
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		if out != "" {
			out += ","
		}
		out += fmt.Sprint(cpus[i])
		if j > i {
			out += fmt.Sprintf("-%d", cpus[j])
		}
		i = j + 1
	}
	return out
}
