package pluginsettings

// Current reports whether the store reads from memory.
func (s *Store) Current() bool {
	_, current := s.view.list()
	return current
}
