package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/rosey-bot/rosey/event"
)

type record struct {
	ID        int64  `json:"id,omitempty"`
	Text      string `json:"text"`
	User      string `json:"user"`
	Timestamp int64  `json:"timestamp"`
	Score     int    `json:"score"`
}

// matching is how many records of each user there are, in a collection of any
// size.
const matching = 100

func userOf(i, count int) string { return fmt.Sprintf("user%d", i%(count/matching)) }

func recordOf(i, count int) record {
	return record{
		ID:   int64(i),
		Text: fmt.Sprintf("The quick brown fox jumps over the lazy dog, and so does record %d, at some length, so that it is like a quote in a chat", i),
		User: userOf(i, count), Timestamp: 1732645200 + int64(i), Score: i % 977,
	}
}

// few is how many records the operations on single records go round.
const few = 1000

// records compares the operations on single records.
func records(ctx context.Context, s settings, w io.Writer) (err error) {
	n, err := startNATS(ctx, s.dir, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	synced, err := startNATS(ctx, s.dir, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, synced.stop()) }()
	lite, err := startSQLite(s.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lite.stop()) }()

	var values [few]json.RawMessage
	for i := range values {
		r := recordOf(i+1, few)
		r.ID = 0
		if values[i], err = json.Marshal(r); err != nil {
			return err
		}
		if _, err := n.kv.Put(ctx, fmt.Sprint(i+1), values[i]); err != nil {
			return err
		}
		if _, err := n.bus.Request(ctx, event.SubjectSet, event.Set{Collection: "few", ID: event.IntID(int64(i + 1)), Data: values[i]}); err != nil {
			return err
		}
	}
	if err := lite.fill(few); err != nil {
		return err
	}
	service := func(subject string, payload func(i int) any) func(context.Context, int) error {
		return func(ctx context.Context, i int) error {
			_, err := n.bus.Request(ctx, subject, payload(i))
			return err
		}
	}
	askOf := func(n *natsSide, subject string, body func(i int) string) func(context.Context, int) error {
		return func(ctx context.Context, i int) error {
			reply, err := n.ask(ctx, subject, body(i))
			if err != nil {
				return err
			}
			return event.ReplyError(reply.Data)
		}
	}
	bare := func(subject string, body func(i int) string) func(context.Context, int) error {
		return askOf(n, subject, body)
	}
	id := func(i int) event.ID { return event.IntID(int64(i%few) + 1) }
	withID := func(i int) string { return fmt.Sprintf(`{"id":%s}`, id(i)) }
	withData := func(i int) string { return fmt.Sprintf(`{"id":%s,"data":%s}`, id(i), values[i%few]) }

	set := func(i int) string { return fmt.Sprintf(`{"collection":"few","id":%s,"data":%s}`, id(i), values[i%few]) }

	printHead(w)
	for _, c := range []comparison{
		{"get", s.ops, []contender{
			{"raw request to raw KV get", bare(rawSubject("get"), withID)},
			{"service, as a plugin asks", service(event.SubjectGet, func(i int) any { return event.Get{Collection: "few", ID: id(i)} })},
			{"service, bare request", bare(event.SubjectGet, func(i int) string { return fmt.Sprintf(`{"collection":"few","id":%s}`, id(i)) })},
			{"raw KV get alone", func(ctx context.Context, i int) error { _, err := n.kv.Get(ctx, string(id(i))); return err }},
			{"SQLite", func(ctx context.Context, i int) error { _, err := read(ctx, lite.get, i%few+1); return err }},
		}},
		{"set", s.ops, []contender{
			{"raw request to raw KV put", bare(rawSubject("set"), withData)},
			{"service, as a plugin asks", service(event.SubjectSet, func(i int) any { return event.Set{Collection: "few", ID: id(i), Data: values[i%few]} })},
			{"service, bare request", bare(event.SubjectSet, set)},
			{"raw KV put alone", func(ctx context.Context, i int) error {
				_, err := n.kv.Put(ctx, string(id(i)), values[i%few])
				return err
			}},
			{"SQLite", func(ctx context.Context, i int) error {
				r := recordOf(i%few+1, few)
				_, err := lite.set.ExecContext(ctx, r.ID, r.Text, r.User, r.Timestamp, r.Score)
				return err
			}},
		}},
		{"update (score + 1)", s.ops, []contender{
			{"raw request to raw KV get, update", bare(rawSubject("update"), withID)},
			{"service, as a plugin asks", service(event.SubjectUpdate, func(i int) any {
				return event.Update{Collection: "few", ID: id(i), Ops: map[string]json.RawMessage{"$inc": json.RawMessage(`{"score":1}`)}}
			})},
			{"SQLite", func(ctx context.Context, i int) error {
				_, err := lite.update.ExecContext(ctx, i%few+1)
				return err
			}},
		}},
		{"insert (next number)", s.ops, []contender{
			{"raw request to raw KV counter, create", bare(rawSubject("insert"), func(i int) string { return fmt.Sprintf(`{"data":%s}`, values[i%few]) })},
			{"service, as a plugin asks", service(event.SubjectSet, func(i int) any { return event.Set{Collection: "inserted", Data: values[i%few]} })},
			{"SQLite", func(ctx context.Context, i int) error {
				r := recordOf(i%few+1, few)
				_, err := lite.insert.ExecContext(ctx, r.Text, r.User, r.Timestamp, r.Score)
				return err
			}},
		}},
		{"set, and the disk", max(1, s.ops/10), []contender{
			{"service, bare request", bare(event.SubjectSet, set)},
			{"service with --sync-always, bare request", askOf(synced, event.SubjectSet, set)},
		}},
	} {
		figures, err := c.run(ctx, s)
		if err != nil {
			return err
		}
		printFigures(w, c.what, figures)
	}
	fmt.Fprintln(w)
	return nil
}
