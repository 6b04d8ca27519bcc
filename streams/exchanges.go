package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// An Exchange is a request that a plugin's handler made, and the reply's body.
type Exchange struct {
	Subject string          `json:"subject"`
	Request json.RawMessage `json:"request"`
	Reply   json.RawMessage `json:"reply"`
	// After is how long after the handler began the reply came.
	After time.Duration `json:"after,omitempty"` // ns
}

// Exchanges are those of one event, in the order of the replies. They are Unknown if one
// had no reply, if they are too large to be kept, if an earlier attempt may have made some,
// or if they were erased.
type Exchanges struct {
	List    []Exchange `json:"list,omitempty"`
	Unknown bool       `json:"unknown,omitempty"`
	// Waited is how long the event had waited by the clock that the handler saw.
	Waited time.Duration `json:"waited,omitempty"` // ns
	// Settings is the newest revision of the plugin's settings that the handler saw, of the
	// bucket; 0 if none were set.
	Settings uint64 `json:"settings,omitempty"`
}

func exchangesSubject(plugin string, of event.Ref) string {
	return fmt.Sprintf("$KV.%s.%s.%s.%d", exchangesBucket, plugin, of.Stream, of.Seq)
}

// SaveExchanges stores what a plugin's handler asked and was answered because of an event.
func (b *Bus) SaveExchanges(ctx context.Context, plugin string, of event.Ref, x Exchanges) error {
	return b.manager.SaveExchanges(ctx, plugin, of, x)
}

// SaveExchanges implements Manager.
func (m *manager) SaveExchanges(ctx context.Context, plugin string, of event.Ref, x Exchanges) error {
	body, err := json.Marshal(x)
	if err == nil && int64(len(body)) > m.js.Conn().MaxPayload() {
		body, err = json.Marshal(Exchanges{Unknown: true, Waited: x.Waited, Settings: x.Settings})
	}
	if err == nil {
		err = m.openExchanges(ctx)
	}
	if err == nil {
		subject := jsapi.KVSubject(m.js, exchangesSubject(plugin, of))
		_, err = jsapi.PublishMsg(ctx, m.js, jsapi.BucketStream(exchangesBucket), &nats.Msg{Subject: subject, Data: body})
	}
	if err != nil {
		m.exchanges.Store(false) // somebody may have deleted the bucket
		return fmt.Errorf("keep the exchanges of %s: %w", of, err)
	}
	return nil
}

func (m *manager) openExchanges(ctx context.Context) error {
	if m.exchanges.Load() {
		return nil
	}
	s, err := m.js.Stream(ctx, Plugin)
	if err == nil {
		_, err = jsapi.OpenErasableBucket(ctx, m.js, jetstream.KeyValueConfig{
			Bucket: exchangesBucket, Description: "What plugins' handlers asked and were answered, for dry runs",
			TTL: s.CachedInfo().Config.MaxAge, Replicas: s.CachedInfo().Config.Replicas,
		})
	}
	m.exchanges.Store(err == nil)
	return err
}

// AllExchanges returns a plugin's exchanges by event: of the given events, or of all if
// none is given.
func AllExchanges(ctx context.Context, js jetstream.JetStream, plugin string, of ...event.Ref) (map[event.Ref]Exchanges, error) {
	var subjects []string
	for _, ref := range of {
		subjects = append(subjects, exchangesSubject(plugin, ref))
	}
	if len(subjects) == 0 {
		subjects = []string{allExchanges(plugin)}
	}
	all := map[event.Ref]Exchanges{}
	err := eachExchanges(ctx, js, subjects, func(_ string, of event.Ref, raw *jetstream.RawStreamMsg) error {
		var x Exchanges
		if json.Unmarshal(raw.Data, &x) != nil {
			x.Unknown = true
		}
		all[of] = x
		return nil
	})
	return all, err
}

// allExchanges matches exchangesSubject of a plugin's events, or of those of all with "*".
func allExchanges(plugin string) string { return "$KV." + exchangesBucket + "." + plugin + ".>" }

// eachExchanges calls f with the stored exchanges that the patterns match.
func eachExchanges(ctx context.Context, js jetstream.JetStream, subjects []string, f func(plugin string, of event.Ref, raw *jetstream.RawStreamMsg) error) error {
	selection := Selection{Stream: jsapi.BucketStream(exchangesBucket), Subjects: subjects}
	for raw, err := range Messages(ctx, js, selection) {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		parts := strings.Split(raw.Subject, ".") // $KV, bucket, plugin, stream, sequence
		if len(parts) != 5 {
			continue
		}
		of, err := event.ParseRef(parts[3] + ":" + parts[4])
		if err != nil {
			continue
		}
		if err := f(parts[2], of, raw); err != nil {
			return err
		}
	}
	return nil
}

// EraseExchanges overwrites the exchanges that match, and returns how many there were. An
// entry that says that they are unknown takes their place. With dryRun it only counts.
func EraseExchanges(ctx context.Context, js jetstream.JetStream, match func(of event.Ref, body []byte) bool, dryRun bool) (erased int, err error) {
	unknown, err := json.Marshal(Exchanges{Unknown: true})
	if err != nil {
		return 0, err
	}
	err = eachExchanges(ctx, js, []string{allExchanges("*")}, func(plugin string, of event.Ref, raw *jetstream.RawStreamMsg) error {
		if string(raw.Data) == string(unknown) || !match(of, raw.Data) {
			return nil
		}
		erased++
		if dryRun {
			return nil
		}
		s, err := js.Stream(ctx, jsapi.BucketStream(exchangesBucket))
		if err == nil {
			err = s.SecureDeleteMsg(ctx, raw.Sequence)
		}
		if err == nil {
			_, err = js.PublishMsg(ctx, &nats.Msg{Subject: jsapi.KVSubject(js, exchangesSubject(plugin, of)), Data: unknown})
		}
		return err
	})
	if err != nil {
		return erased, fmt.Errorf("erase exchanges: %w", err)
	}
	return erased, nil
}
