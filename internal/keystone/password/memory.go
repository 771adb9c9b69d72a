package password

import (
	"crypto/sha256"
	"sync"
)

// memory is a set of marks that forgets the oldest when it is full.
type memory struct {
	mu    sync.Mutex
	marks map[[sha256.Size]byte]struct{}
	ring  [][sha256.Size]byte
	next  int
}

func newMemory(size int) *memory {
	return &memory{marks: map[[sha256.Size]byte]struct{}{}, ring: make([][sha256.Size]byte, 0, size)}
}

func (m *memory) has(mark [sha256.Size]byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.marks[mark]
	return ok
}

func (m *memory) add(mark [sha256.Size]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.marks[mark]; ok {
		return
	}
	if len(m.ring) < cap(m.ring) {
		m.ring = append(m.ring, mark)
	} else {
		delete(m.marks, m.ring[m.next])
		m.ring[m.next] = mark
		m.next = (m.next + 1) % len(m.ring)
	}
	m.marks[mark] = struct{}{}
}
