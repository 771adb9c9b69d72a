package agent

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"
)

// stepsKept is how long a finished step is remembered: longer than any
// operation lasts.
const stepsKept = 24 * time.Hour

// steps are the finished steps. The file is a list of JSON lines; it need not
// survive a power cut, in which no late message survives either.
type steps struct {
	mu    sync.Mutex
	known map[string]time.Time
	file  *os.File
}

type stepLine struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// openSteps reads the file, drops what is old and goes on writing to it.
func openSteps(path string) (*steps, error) {
	s := &steps{known: map[string]time.Time{}}
	if path == "" {
		return s, nil
	}
	if err := s.load(path); err != nil {
		return nil, err
	}
	part := path + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	s.file = file
	for id, at := range s.known {
		if err := s.write(id, at); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return s, os.Rename(part, path)
}

func (s *steps) load(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var l stepLine
		// The last line may be half.
		if json.Unmarshal(lines.Bytes(), &l) == nil && time.Since(l.At) < stepsKept {
			s.known[l.ID] = l.At
		}
	}
	return lines.Err()
}

func (s *steps) write(id string, at time.Time) error {
	text, err := json.Marshal(stepLine{id, at})
	if err != nil {
		return err
	}
	_, err = s.file.Write(append(text, '\n'))
	return err
}

// done tells whether the step is finished.
func (s *steps) done(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.known[id]
	return ok
}

// forgetAt is how many steps are kept in memory before old ones are looked for.
const forgetAt = 50_000

// remember notes a finished step; no id, no note.
func (s *steps) remember(id string) error {
	if id == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	if len(s.known) >= forgetAt {
		for old, at := range s.known {
			if now.Sub(at) > stepsKept/24 {
				delete(s.known, old)
			}
		}
	}
	s.known[id] = now
	if s.file == nil {
		return nil
	}
	return s.write(id, now)
}

func (s *steps) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		_ = s.file.Close() // every line went out by itself
		s.file = nil
	}
}
