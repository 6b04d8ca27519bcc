package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/rosey-bot/rosey/cytube/localserver"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
)

// soak is the load of a long run beside the commands, visitors who come and go and writes to the database, and the samples
// of the bot's resources.
type soak struct {
	*crash
	metrics string // address

	mu      sync.Mutex
	samples []Sample
	written map[int]bool // numbers of the records whose write was acknowledged
	refused int
	visits  int
}

// Sample is the bot's resources at one moment.
type Sample struct {
	At         time.Duration // since the soak began
	Up         time.Duration // since the bot's own start
	Goroutines float64
	Memory     float64 // resident, bytes
	Stored     float64 // bytes of the store on disk
	Events     uint64  // in all streams
}

const (
	sampleEvery  = 5 * time.Second
	visitEvery   = 2 * time.Second
	writeEvery   = 50 * time.Millisecond
	warmUp       = 20 * time.Second // after a start, before a sample tells of growth
	soakRecords  = 500              // that the writes go round
	soakedRecord = "soak"           // the collection
)

// run puts on the load and samples until ctx ends.
func (s *soak) run(ctx context.Context, nc *nats.Conn) {
	began := time.Now()
	bus := streams.NewBus(nc, s.streams.js, streams.WithTimeout(2*time.Second))
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, visitEvery, func(n int) { s.visit(ctx, n) }) })
	wg.Go(func() { every(ctx, writeEvery, func(n int) { s.write(ctx, bus, n) }) })
	wg.Go(func() { every(ctx, sampleEvery, func(int) { s.sample(ctx, began) }) })
	wg.Wait()
}

// visit joins a channel and leaves. A site that is down has no visitors.
func (s *soak) visit(ctx context.Context, n int) {
	ctx, cancel := context.WithTimeout(ctx, visitEvery)
	defer cancel()
	u, err := localserver.Join(ctx, s.site.URL(), s.channels[n%len(s.channels)], fmt.Sprintf("visitor%d", n%50), "", nil)
	if err != nil {
		return
	}
	u.Close()
	s.mu.Lock()
	s.visits++
	s.mu.Unlock()
}

func (s *soak) write(ctx context.Context, bus *streams.Bus, n int) {
	record, err := event.Encode(map[string]any{"n": n, "text": strings.Repeat("soak ", 20)})
	if err == nil {
		_, err = bus.Request(ctx, event.SubjectSet, event.Set{Collection: soakedRecord, ID: event.IntID(int64(n % soakRecords)), Data: record})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.refused++
		return
	}
	s.written[n] = true
}

// lostWrites compares the database with the acknowledged writes: each record must be as its last one left it, or as a later
// one whose acknowledgement was lost.
func (s *soak) lostWrites(ctx context.Context, bus *streams.Bus) (lost []string, err error) {
	last := map[int]int{}
	for n := range s.written {
		last[n%soakRecords] = max(last[n%soakRecords], n)
	}
	for id, n := range last {
		body, err := bus.Request(ctx, event.SubjectGet, event.Get{Collection: soakedRecord, ID: event.IntID(int64(id))})
		if event.CodeOf(err) != "" && event.CodeOf(err) != event.RecordNotFound {
			return nil, fmt.Errorf("read record %d: %w", id, err)
		}
		var reply struct{ Data struct{ N int } }
		if err == nil {
			err = json.Unmarshal(body, &reply)
		}
		if err != nil || reply.Data.N < n {
			lost = append(lost, fmt.Sprintf("record %d was acknowledged as write %d and is %d", id, n, reply.Data.N))
		}
	}
	return lost, nil
}

// result sums the soak up.
func (s *soak) result(ctx context.Context, bus *streams.Bus) (*Soaked, error) {
	lost, err := s.lostWrites(ctx, bus)
	if err != nil {
		return nil, err
	}
	r := &Soaked{Samples: s.samples, Visits: s.visits, Writes: len(s.written), Refused: s.refused, Lost: lost}
	r.Growth, r.Measured = growth(s.samples)
	return r, nil
}

// sample takes a sample, unless the bot is down.
func (s *soak) sample(ctx context.Context, began time.Time) {
	m := Sample{At: time.Since(began)}
	values, err := scrape(ctx, s.metrics)
	if err != nil {
		return
	}
	m.Goroutines, m.Memory = values["go_goroutines"], values["process_resident_memory_bytes"]
	m.Up = time.Since(time.UnixMilli(int64(values["process_start_time_seconds"] * 1000)))
	if m.Stored, err = size(s.bots[0].dir); err != nil {
		return
	}
	states, err := monitor.Streams(ctx, s.streams.js)
	if err != nil {
		return
	}
	for _, state := range states {
		m.Events += state.LastSeq
	}
	s.mu.Lock()
	s.samples = append(s.samples, m)
	s.mu.Unlock()
}

// scrape returns the gauges without labels.
func scrape(ctx context.Context, address string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	values := map[string]float64{}
	for name, f := range families {
		if len(f.Metric) == 1 && f.Metric[0].Gauge != nil {
			values[name] = f.Metric[0].Gauge.GetValue()
		}
	}
	return values, nil
}

// size returns the bytes of the store below dir on disk.
func size(dir string) (total float64, err error) {
	err = filepath.WalkDir(filepath.Join(dir, "store"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // files come and go
		}
		if info, err := d.Info(); err == nil {
			total += float64(info.Size())
		}
		return nil
	})
	return total, err
}

// Growth compares a figure's median in the second third of the samples with that in the last. In the first the server's
// caches fill, one block of each stream.
type Growth struct {
	What        string
	Early, Late float64
	Limit       float64 // of Late/Early
}

// OK reports whether the figure stayed flat.
func (g Growth) OK() bool { return g.Late <= g.Early*g.Limit }

// growth leaves out the samples of a bot that has just started, which is smaller.
func growth(samples []Sample) ([]Growth, error) {
	warm := slices.DeleteFunc(slices.Clone(samples), func(m Sample) bool { return m.Up < warmUp })
	if len(warm) < 9 {
		return nil, fmt.Errorf("only %d samples of a bot that ran for %s: soak for longer", len(warm), warmUp)
	}
	third := len(warm) / 3
	of := func(what string, limit float64, f func(Sample) float64) Growth {
		return Growth{what, middle(warm[third:2*third], f), middle(warm[2*third:], f), limit}
	}
	return []Growth{
		of("goroutines", 1.1, func(m Sample) float64 { return m.Goroutines }),
		of("resident memory, MB", 1.2, func(m Sample) float64 { return m.Memory / (1 << 20) }),
		of("store, bytes an event", 1.1, func(m Sample) float64 { return m.Stored / float64(max(m.Events, 1)) }),
	}, nil
}

func middle(samples []Sample, f func(Sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, m := range samples {
		values[i] = f(m)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// Soaked is the result of a soak.
type Soaked struct {
	Samples  []Sample
	Growth   []Growth
	Visits   int
	Writes   int // that were acknowledged
	Refused  int // or not answered, while the bot was down
	Lost     []string
	Measured error // why there is no Growth
}

// Err returns what is wrong, or nil when all stayed flat and no write was lost.
func (s *Soaked) Err() error {
	err := s.Measured
	for _, g := range s.Growth {
		if !g.OK() {
			err = errors.Join(err, fmt.Errorf("%s grew from %.1f to %.1f", g.What, g.Early, g.Late))
		}
	}
	if len(s.Lost) > 0 {
		err = errors.Join(err, fmt.Errorf("%d acknowledged writes are lost", len(s.Lost)))
	}
	return err
}

// shown is how many samples a printed soak has at most.
const shown = 20

// Print writes the figures for people.
func (s *Soaked) Print(w io.Writer) {
	fmt.Fprintf(w, "  soak: %d visits; %d writes acknowledged, %d refused while the bot was down, %d lost\n", s.Visits, s.Writes, s.Refused, len(s.Lost))
	fmt.Fprintf(w, "  %10s %10s %11s %10s %10s %9s\n", "after", "up", "goroutines", "MB", "store MB", "events")
	step := max(len(s.Samples)/shown, 1)
	for i := step - 1; i < len(s.Samples); i += step {
		m := s.Samples[i]
		fmt.Fprintf(w, "  %10s %10s %11.0f %10.1f %10.1f %9d\n", m.At.Round(time.Second), m.Up.Round(time.Second), m.Goroutines, m.Memory/(1<<20), m.Stored/(1<<20), m.Events)
	}
	for _, g := range s.Growth {
		fmt.Fprintf(w, "  %-24s %8.1f in the second third, %8.1f in the last (%.2f, at most %.2f)\n", g.What, g.Early, g.Late, g.Late/g.Early, g.Limit)
	}
	for _, l := range s.Lost {
		fmt.Fprintf(w, "  LOST: %s\n", l)
	}
	if err := s.Err(); err != nil {
		fmt.Fprintf(w, "  SOAK FAILED: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}
