package pluginsettings

// Current reports whether the store reads from memory.
func (s *Store) Current() bool {
	_, current, _ := s.view.list()
	return current
}
