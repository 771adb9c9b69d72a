package keystone

// Forget drops every remembered token.
func (s *Service) Forget() {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	clear(s.memory.tokens)
	clear(s.memory.older)
}
