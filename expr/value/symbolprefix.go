package value

import "strings"

// ModuleSymbols returns names of symbols of modules that start with prefix, at most limit of
// them, in no order. A module whose symbols cannot be read has none.
func (k *Kernel) ModuleSymbols(prefix string, limit int) []string {
	mods, err := k.Modules()
	if err != nil {
		return nil
	}
	var names []string
	for _, m := range mods {
		syms, err := m.symbols()
		if err != nil {
			continue
		}
		for _, s := range syms {
			if strings.HasPrefix(s.Name, prefix) {
				if names = append(names, s.Name); len(names) >= limit {
					return names
				}
			}
		}
	}
	return names
}
