package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go/jetstream"
)

// Differences returns the settings of an existing stream that Open would change. The
// error is the one with which Open would refuse the stream.
func (s Spec) Differences(have jetstream.StreamConfig, o Options) ([]string, error) {
	want, err := s.config(&have, o)
	if err != nil {
		return nil, err
	}
	want.Description, want.Metadata = have.Description, have.Metadata
	return differences(have, want), nil
}

// differences names the fields in which two configurations differ.
func differences(have, want any) (found []string) {
	h, w := reflect.ValueOf(have), reflect.ValueOf(want)
	for i := range h.NumField() {
		is, should := h.Field(i).Interface(), w.Field(i).Interface()
		if a, b := text(is), text(should); a != b {
			name, _, _ := strings.Cut(h.Type().Field(i).Tag.Get("json"), ",")
			found = append(found, fmt.Sprintf("%s is %s and should be %s", name, a, b))
		}
	}
	return found
}

func text(value any) string {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Pointer, reflect.Struct, reflect.Slice, reflect.Map:
		if v.Kind() != reflect.Struct && v.IsNil() {
			return "unset"
		}
		b, _ := json.Marshal(value)
		return string(b)
	}
	return fmt.Sprint(value)
}

// A RetentionLoss is what a lower limit deletes of a stream.
type RetentionLoss struct {
	Stream string
	Events uint64    // about
	Oldest time.Time // when the first was stored
	Until  time.Time // when the last was, about
}

// String says how many events of which time would be gone.
func (l RetentionLoss) String() string {
	return fmt.Sprintf("about %s events of %s, stored from %s to %s", humanize.Comma(int64(l.Events)), l.Stream,
		l.Oldest.Format("2006-01-02 15:04"), l.Until.Format("2006-01-02 15:04"))
}

// Remedy says how to keep the events, and how to let them go.
func (l RetentionLoss) Remedy() string {
	return fmt.Sprintf("to keep a copy run rosey backup; to let them go set retention.%s.accept_loss: %s", l.Stream, l.Until.AddDate(0, 0, 1).Format(time.DateOnly))
}

// keepEvents leaves the limits of an existing stream as they are where want would delete
// events without consent.
func keepEvents(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream, want *jetstream.StreamConfig, o Options) error {
	c, err := LossBy(ctx, js, stream, want.MaxAge, want.MaxBytes)
	if err != nil || c.Events == 0 {
		return err
	}
	accepted := !c.Until.After(o.Limits[c.Stream].AcceptLoss)
	if !accepted {
		have := stream.CachedInfo().Config
		want.MaxAge, want.MaxBytes = have.MaxAge, have.MaxBytes
	}
	if o.OnLoss != nil {
		o.OnLoss(c, accepted)
	}
	return nil
}

// LossBy returns what lowering a stream's limits to maxAge and maxBytes would delete.
func LossBy(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream, maxAge time.Duration, maxBytes int64) (RetentionLoss, error) {
	info := stream.CachedInfo()
	state, have := info.State, info.Config
	keep, until := state.FirstSeq, state.LastTime // the first that stays, and when the last that does not was stored
	if maxAge > 0 && (have.MaxAge <= 0 || maxAge < have.MaxAge) {
		seq, err := SequenceSince(ctx, js, stream, time.Now().Add(-maxAge))
		if err != nil {
			return RetentionLoss{}, err
		}
		keep, until = max(keep, seq), time.Now().Add(-maxAge)
	}
	if lower := have.MaxBytes <= 0 || maxBytes < have.MaxBytes; maxBytes > 0 && lower && state.Bytes > uint64(maxBytes) {
		share := 1 - float64(maxBytes)/float64(state.Bytes)
		if seq := state.FirstSeq + uint64(share*float64(state.LastSeq-state.FirstSeq+1)); seq > keep {
			last, err := leaderGet(ctx, js, have.Name, map[string]any{"seq": seq, "next_by_subj": ">"})
			if err != nil {
				return RetentionLoss{}, err
			}
			keep, until = seq, last.Time
		}
	}
	if state.Msgs == 0 || keep <= state.FirstSeq {
		return RetentionLoss{}, nil
	}
	return RetentionLoss{Stream: have.Name, Events: min(keep-state.FirstSeq, state.Msgs), Oldest: state.FirstTime, Until: until}, nil
}
