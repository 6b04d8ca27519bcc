package service

import (
	"sync"
	"time"
)

// Stats are the figures of one operation, which nats micro stats shows as the
// endpoint's data: its own figures end where a request is handed on.
type Stats struct {
	Requests  int           `json:"requests"`
	Errors    int           `json:"errors"`
	LastError string        `json:"last_error"`
	Time      time.Duration `json:"processing_time"` // ns, of all requests
	Average   time.Duration `json:"average_processing_time"`
}

type stats struct {
	mu sync.Mutex
	Stats
	average time.Duration // of the last requests, weighted by age
}

func (s *stats) recent() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.average
}

func (s *stats) add(took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Requests++
	s.Time += took
	s.Average = s.Time / time.Duration(s.Requests)
	s.average += (took - s.average) / 16
	if err != nil {
		s.Errors++
		s.LastError = err.Error()
	}
}

func (s *stats) get() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Stats
}
