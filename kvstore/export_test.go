package kvstore

// WithHistory keeps the last n revisions of every record in buckets made from now on.
func WithHistory(n int) Option { return func(s *settings) { s.history = n } }
