package value

import "fmt"

// Enumerator is the value of an enumerator of an enum that counts up by one, as those do
// that number something: it follows from its neighbours', and one that does not is an error, as
// is one that the kernel's types do not have.
func (k *Kernel) Enumerator(name string) (uint64, error) {
	types, err := k.Types()
	if err != nil {
		return 0, err
	}
	e, in, ok := types.Enumerator(name)
	if !ok {
		return 0, fmt.Errorf("the kernel's types have no %s", name)
	}
	values := in.Values()
	for i, v := range values {
		if v.Name != name {
			continue
		}
		if i > 0 && values[i-1].Value+1 != v.Value || i+1 < len(values) && values[i+1].Value != v.Value+1 {
			return 0, fmt.Errorf("the kernel's types are damaged: %s is %d, and its neighbours are not next to that", name, int64(v.Value))
		}
	}
	return e.Value, nil
}
