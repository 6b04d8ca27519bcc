package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/terminal"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/kvstore/query"
)

// recordsShown is how many records a page has.
const recordsShown = 50

func (c *Console) data(w http.ResponseWriter, r *http.Request) error {
	list, err := c.Store.Collections(r.Context())
	if err != nil {
		return err
	}
	return c.show(w, r, "data", "Data", list)
}

type recordsBody struct {
	Collection string
	Filter     string
	Order      string
	Offset     int
	Records    []recordRow
	Count      int
	Explain    *query.Explain
	Failed     string // why the query cannot be answered
	Older      string // address of the page before, if there is one
	More       string // address of the next page, if there is one
}

type recordRow struct {
	ID, Path string
	Fields   string
}

func (c *Console) records(w http.ResponseWriter, r *http.Request) error {
	v := r.URL.Query()
	body := recordsBody{Collection: r.PathValue("collection"), Filter: strings.TrimSpace(v.Get("filter")), Order: strings.TrimSpace(v.Get("order"))}
	body.Offset, _ = strconv.Atoi(v.Get("offset"))
	body.Offset = min(max(body.Offset, 0), query.MaxOffset)
	limit := recordsShown
	q := event.Query{Collection: body.Collection, Limit: &limit, Offset: &body.Offset, OrderBy: body.Order, Explain: true}
	if body.Filter != "" {
		if !json.Valid([]byte(body.Filter)) {
			body.Failed = `The filter is not JSON: write for example {"user": "alice"}`
			return c.showStatus(w, r, http.StatusBadRequest, "records", body.Collection, body)
		}
		q.Filter = json.RawMessage(body.Filter)
	}
	result, err := c.Store.Query(r.Context(), q)
	if event.CodeOf(err) == event.InvalidInput {
		body.Failed = terminal.Escape(err.Error())
		return c.showStatus(w, r, http.StatusBadRequest, "records", terminal.Escape(body.Collection), body)
	}
	if err != nil {
		return err
	}
	body.Count, body.Explain = result.Count, &result.Explain
	for _, rec := range result.Rows {
		body.Records = append(body.Records, recordRow{
			ID: string(rec.ID), Path: "/data/" + url.PathEscape(body.Collection) + "/" + url.PathEscape(string(rec.ID)), Fields: terminal.Escape(rec.Data),
		})
	}
	at := func(offset int) string {
		v.Set("offset", strconv.Itoa(offset))
		return "?" + v.Encode()
	}
	if body.Offset > 0 {
		body.Older = at(max(body.Offset-recordsShown, 0))
	}
	if body.Offset+len(body.Records) < body.Count {
		body.More = at(body.Offset + recordsShown)
	}
	return c.show(w, r, "records", body.Collection, body)
}

type recordBody struct {
	Collection, ID string
	Revisions      []revisionRow // latest first
	Kept           int
}

type revisionRow struct {
	kvstore.Revision
	Text string
}

func (c *Console) record(w http.ResponseWriter, r *http.Request) error {
	body := recordBody{Collection: r.PathValue("collection"), ID: r.PathValue("id"), Kept: kvstore.History}
	revisions, err := c.Store.History(r.Context(), body.Collection, event.ID(body.ID))
	if err != nil {
		return err
	}
	for _, rev := range slices.Backward(revisions) {
		row := revisionRow{Revision: rev}
		if !rev.Deleted {
			row.Text = pretty(rev.Data)
		}
		body.Revisions = append(body.Revisions, row)
	}
	return c.show(w, r, "record", body.Collection+" "+body.ID, body)
}

// pretty is JSON on several lines. What a browser would not show is escaped on
// each of them.
func pretty(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return terminal.Escape(string(raw))
	}
	return terminal.EscapeLines(b.String())
}
