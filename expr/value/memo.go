package value

import (
	"sync"
	"sync/atomic"

	"kinspect/btf"
)

// memo remembers what walks look up over and over. All of it follows from the kernel's types.
type memo struct {
	// recent is in front of members, without a lock.
	recent [256]atomic.Pointer[knownMember]

	mu       sync.RWMutex
	members  map[memberKey]*knownMember
	pointers map[*btf.Struct]*btf.Pointer
	words    map[memberName]*wordSet
	types    map[btf.Type]string
}

// knownMember is a member and where it lies.
type knownMember struct {
	key   memberKey
	place Place
}

// slot spreads members over the slots of recent.
func (key memberKey) slot() uint8 {
	h := key.st.Size*31 + uint32(len(key.name))*131
	if n := len(key.name); n > 0 {
		h += uint32(key.name[0])*7 + uint32(key.name[n/2])*13 + uint32(key.name[n-1])*17
	}
	return uint8(h ^ h>>8)
}

func (m *memo) member(key memberKey) (Place, bool) {
	slot := &m.recent[key.slot()]
	if p := slot.Load(); p != nil && p.key == key {
		return p.place, true
	}
	m.mu.RLock()
	p := m.members[key]
	m.mu.RUnlock()
	if p == nil {
		return Place{}, false
	}
	slot.Store(p)
	return p.place, true
}

func (m *memo) keepMember(key memberKey, p Place) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.members == nil {
		m.members = map[memberKey]*knownMember{}
	}
	known := &knownMember{key, p}
	m.members[key] = known
	m.recent[key.slot()].Store(known)
}

// pointerTo is the type of pointers to t: to a struct, the same each time, so that what is known of one
// holds for the next.
func (m *memo) pointerTo(t btf.Type) *btf.Pointer {
	st, ok := t.(*btf.Struct)
	if !ok {
		return btf.NewPointer(t)
	}
	m.mu.RLock()
	p := m.pointers[st]
	m.mu.RUnlock()
	if p != nil {
		return p
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p = m.pointers[st]; p == nil {
		if m.pointers == nil {
			m.pointers = map[*btf.Struct]*btf.Pointer{}
		}
		p = btf.NewPointer(t)
		m.pointers[st] = p
	}
	return p
}

// wordSet is what find returns for a member of the table of words, which may be nil.
func (m *memo) wordSet(name memberName, find func() *wordSet) *wordSet {
	m.mu.RLock()
	w, ok := m.words[name]
	m.mu.RUnlock()
	if ok {
		return w
	}
	w = find()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.words == nil {
		m.words = map[memberName]*wordSet{}
	}
	m.words[name] = w
	return w
}

// maxTypeTexts bounds the types whose text is remembered.
const maxTypeTexts = 1 << 13

// typeText is a type in C.
func (m *memo) typeText(t btf.Type) string {
	m.mu.RLock()
	s, ok := m.types[t]
	m.mu.RUnlock()
	if ok {
		return s
	}
	s = t.String()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.types == nil || len(m.types) >= maxTypeTexts {
		m.types = map[btf.Type]string{}
	}
	m.types[t] = s
	return s
}
