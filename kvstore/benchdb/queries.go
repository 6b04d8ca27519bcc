package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/rosey-bot/rosey/event"
)

// growth is the processor time that the indexed query took at one size.
type growth struct {
	records                int
	service, store, sqlite time.Duration
	built                  time.Duration // on the clock
}

const pageSize = 10

// queries compares queries with filter, order and limit on count records: one
// that an index answers, and one that none can.
func queries(ctx context.Context, s settings, count int, w io.Writer) (g growth, err error) {
	n, err := startNATS(ctx, s.dir, false)
	if err != nil {
		return g, err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	lite, err := startSQLite(s.dir)
	if err != nil {
		return g, err
	}
	defer func() { err = errors.Join(err, lite.stop()) }()
	s.progress("%d records: writing them to both", count)
	// The first makes the collection.
	if _, err := n.bus.Request(ctx, event.SubjectSet, event.Set{Collection: "many", ID: "1", Data: json.RawMessage("{}")}); err != nil {
		return g, err
	}
	if err := n.fill("many", count); err != nil {
		return g, err
	}
	if err := lite.fill(count); err != nil {
		return g, err
	}

	limit := pageSize
	request := func(filter, order string) event.Query {
		return event.Query{Collection: "many", Filter: json.RawMessage(filter), OrderBy: order, Limit: &limit}
	}
	began := time.Now()
	for {
		_, err := n.bus.Request(ctx, event.SubjectQuery, request(`{}`, ""))
		if err == nil {
			break
		}
		// On a busy machine the largest takes longer than a request may, and goes on.
		if event.CodeOf(err) != event.Timeout || time.Since(began) > 5*time.Minute {
			return g, err
		}
	}
	s.progress("%d records: read into memory in %s", count, time.Since(began).Round(time.Millisecond))
	began = time.Now()
	if _, err := n.bus.Request(ctx, event.SubjectQuery, request(`{"user":"user0"}`, "timestamp DESC")); err != nil {
		return g, err
	}
	g = growth{records: count, built: time.Since(began)}
	s.progress("%d records: index built in %s", count, g.built.Round(time.Millisecond))

	pick := func(i int) int { return i * 7919 % count }
	indexed := func(i int) event.Query {
		return request(fmt.Sprintf(`{"user":%q}`, userOf(pick(i), count)), "timestamp DESC")
	}
	like := func(i int) string { return fmt.Sprintf("%%record %d9,%%", pick(i)/10) }
	unindexed := func(i int) event.Query {
		return request(fmt.Sprintf(`{"text":{"$like":%q}}`, like(i)), "timestamp DESC")
	}
	printHead(w)
	for i, c := range []comparison{
		{"indexed", s.ops, []contender{
			{"SQLite, page and count", lite.query(lite.page, lite.count, func(i int) any { return userOf(pick(i), count) }, matching)},
			{"service, as a plugin asks", n.throughService(indexed, matching)},
			{"the store in process", n.inProcess(indexed, matching)},
			{"SQLite, page alone", lite.query(lite.page, nil, func(i int) any { return userOf(pick(i), count) }, pageSize)},
		}},
		{"not indexed", max(1, min(s.ops, 300_000/count)), []contender{
			{"SQLite, page and count", lite.query(lite.likePage, lite.likeCount, func(i int) any { return like(i) }, 1)},
			{"service, as a plugin asks", n.throughService(unindexed, 1)},
			{"SQLite, page alone", lite.query(lite.likePage, nil, func(i int) any { return like(i) }, 1)},
		}},
	} {
		c.what = fmt.Sprintf("%d records, %s", count, c.what)
		figures, err := c.run(ctx, s)
		if err != nil {
			return g, err
		}
		printFigures(w, c.what, figures)
		if i == 0 {
			g.sqlite, g.service, g.store = figures[0].cpu, figures[1].cpu, figures[2].cpu
		}
	}
	fmt.Fprintln(w)
	return g, nil
}

var errWrong = errors.New("wrong result")

// throughService asks as a plugin does, and reads the records.
func (n *natsSide) throughService(query func(i int) event.Query, want int) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		body, err := n.bus.Request(ctx, event.SubjectQuery, query(i))
		if err != nil {
			return err
		}
		var reply struct {
			Data  []record
			Count int
		}
		if err := json.Unmarshal(body, &reply); err != nil {
			return err
		}
		if reply.Count > want || len(reply.Data) != min(reply.Count, pageSize) {
			return fmt.Errorf("%w: %d of %d", errWrong, len(reply.Data), reply.Count)
		}
		return nil
	}
}

func (n *natsSide) inProcess(query func(i int) event.Query, want int) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		r, err := n.service.Store().Query(ctx, query(i))
		if err == nil && (r.Count != want || len(r.Rows) != pageSize) {
			return fmt.Errorf("%w: %d of %d", errWrong, len(r.Rows), r.Count)
		}
		return err
	}
}

// query reads a page and, as the contract's answer has it, the count of all; the
// latter not where count is nil.
func (s *sqliteSide) query(page, count *sql.Stmt, arg func(i int) any, want int) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		found, err := read(ctx, page, arg(i))
		if err != nil {
			return err
		}
		total := len(found)
		if count != nil {
			if total, err = countOf(ctx, count, arg(i)); err != nil {
				return err
			}
		}
		if total > want || len(found) != min(total, pageSize) {
			return fmt.Errorf("%w: %d of %d", errWrong, len(found), total)
		}
		return nil
	}
}

// printGrowth shows how the indexed query's processor time grows with the
// collection.
func printGrowth(w io.Writer, grown []growth) {
	fmt.Fprintln(w, "| records | log2 | service | store in process | SQLite, page and count | index built in |\n|---|---|---|---|---|---|")
	for _, g := range grown {
		first := grown[0]
		times := func(of, at time.Duration) string {
			return fmt.Sprintf("%s us (× %.2f)", micros(of), float64(of)/float64(at))
		}
		log, firstLog := math.Log2(float64(g.records)), math.Log2(float64(first.records))
		fmt.Fprintf(w, "| %d | %.1f (× %.2f) | %s | %s | %s | %s |\n", g.records, log, log/firstLog, times(g.service, first.service),
			times(g.store, first.store), times(g.sqlite, first.sqlite), g.built.Round(100*time.Microsecond))
	}
	fmt.Fprintln(w)
}
