package simulated

import (
	"sync"
	"time"
)

// Storage is the directory of servers' files of one host, or of several hosts that share it.
type Storage struct {
	mu   sync.Mutex
	dirs map[string]*dir // by server; what is aside has asideSuffix
	// probes are those that live migrations have left, by which hosts find out that they share the storage.
	probes map[string]bool
	made   int
}

// asideSuffix is upstream's name for what a resize may go back to.
const asideSuffix = "_resize"

// dir is the files of a server.
type dir struct {
	Owner string    `json:"owner"` // the host that runs the server from them
	Disk  string    `json:"disk"`  // stands for what is on the disk
	GB    int       `json:"gb"`
	Move  string    `json:"move,omitempty"` // the move that put them here or aside
	To    string    `json:"to,omitempty"`   // for which host they are aside
	From  string    `json:"from,omitempty"` // from which host they were adopted
	Since time.Time `json:"since"`
}

// with runs fn with the directories, which nobody else sees meanwhile.
func (s *Storage) with(fn func(dirs map[string]*dir) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirs == nil {
		s.dirs = map[string]*dir{}
	}
	return fn(s.dirs)
}

// get is a copy of a directory, or nil.
func (s *Storage) get(key string) *dir {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.dirs[key]; f != nil {
		c := *f
		return &c
	}
	return nil
}
