package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/prometheus/common/model"

	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/monitor"
)

type streamsBody struct {
	Streams   []streamRow
	Buckets   []streamRow
	Consumers []monitor.ConsumerState
	Events    uint64
	Bytes     uint64
}

type streamRow struct {
	monitor.StreamState
	Purpose string
	Share   float64 // of the largest one's size, in the units of a bar
}

// Kept says how long and how much the stream keeps.
func (s streamRow) Kept() string {
	text := "for ever"
	if s.MaxAge > 0 {
		text = "for " + model.Duration(s.MaxAge).String()
	}
	if s.MaxBytes > 0 {
		text += ", below " + humanize.IBytes(uint64(s.MaxBytes))
	}
	return text
}

func (c *Console) streamsBody(r *http.Request) (any, error) {
	var body streamsBody
	states, err := monitor.Streams(r.Context(), c.js)
	if err != nil {
		return nil, err
	}
	purposes, order := map[string]string{}, map[string]int{}
	for i, spec := range streams.Specs() {
		purposes[spec.Name], order[spec.Name] = spec.Purpose, i
	}
	var largest uint64
	for _, s := range states {
		largest = max(largest, s.Bytes)
	}
	for _, s := range states {
		row := streamRow{StreamState: s, Purpose: purposes[s.Name], Share: float64(s.Bytes) / float64(max(largest, 1)) * barWidth}
		body.Bytes += s.Bytes
		if row.Purpose != "" {
			body.Events += s.Messages
			body.Streams = append(body.Streams, row)
			continue
		}
		name := strings.TrimPrefix(s.Name, "KV_")
		row.Name, row.Purpose = name, "Key-value bucket"
		if collection, ok := strings.CutPrefix(name, kvstore.BucketPrefix); ok {
			row.Purpose = "Records of the collection " + collection
		}
		body.Buckets = append(body.Buckets, row)
	}
	byName := func(a, b streamRow) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(body.Streams, func(a, b streamRow) int { return order[a.Name] - order[b.Name] })
	slices.SortFunc(body.Buckets, byName)
	body.Consumers, err = monitor.Consumers(r.Context(), c.js)
	return body, err
}
