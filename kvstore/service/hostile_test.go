package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What a request nests or lists too much is refused with INVALID_INPUT, or
// answered; nothing crashes or stalls the service, which goes on.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "thousands of filters")
	const deep = 10_000
	nested := func(open, inner, end string) string {
		return strings.Repeat(open, deep) + inner + strings.Repeat(end, deep)
	}
	many := func(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	_, nc := newService(t)
	for name, tt := range map[string]struct {
		subject, body string
		code          event.Code // "" succeeds
	}{
		"a deep value":            {event.SubjectSet, `{"collection":"h","data":{"a":` + nested("[", "1", "]") + `}}`, event.InvalidInput},
		"a deep object":           {event.SubjectSet, `{"collection":"h","data":` + nested(`{"a":`, "1", "}") + `}`, event.InvalidInput},
		"a deep envelope":         {event.SubjectSet, nested(`{"data":`, "1", "}"), event.InvalidInput},
		"deep metadata":           {event.SubjectGet, `{"subject":"database.get","data":{"collection":"h","id":1},"metadata":` + nested(`{"a":`, "1", "}") + `}`, event.InvalidInput},
		"an unclosed array":       {event.SubjectSet, `{"collection":"h","data":{"a":` + strings.Repeat("[", 200_000), event.InvalidInput},
		"a deep filter":           {event.SubjectQuery, `{"collection":"h","filter":` + nested(`{"$not":`, "{}", "}") + `}`, event.InvalidInput},
		"a deep $and":             {event.SubjectQuery, `{"collection":"h","filter":` + nested(`{"$and":[`, "{}", "]}") + `}`, event.InvalidInput},
		"a deep operand":          {event.SubjectQuery, `{"collection":"h","filter":{"a":` + nested("[", "1", "]") + `}}`, event.InvalidInput},
		"$in of 100,000":          {event.SubjectQuery, `{"collection":"h","filter":{"a":{"$in":[` + many(100_000, "1234567") + `]}}}`, ""},
		"$or of 20,000":           {event.SubjectQuery, `{"collection":"h","filter":{"$or":[` + many(20_000, `{"a":1}`) + `]}}`, ""},
		"a field of 100,000 dots": {event.SubjectQuery, `{"collection":"h","filter":{"a` + strings.Repeat(".a", 100_000) + `":1}}`, ""},
		"order by 50,000":         {event.SubjectQuery, `{"collection":"h","order_by":"` + many(50_000, "a") + `"}`, event.InvalidInput},
		"order by a long name":    {event.SubjectQuery, `{"collection":"h","order_by":"` + strings.Repeat(`\u001b,,`, 120_000) + `"}`, event.InvalidInput},
		"a long collection":       {event.SubjectGet, `{"collection":"` + strings.Repeat("ü", 400_000) + `","id":1}`, event.InvalidInput},
		"a number of 500,000":     {event.SubjectSet, `{"collection":"h","data":{"n":` + strings.Repeat("9", 500_000) + `}}`, ""},
		"an exponent":             {event.SubjectSet, `{"collection":"h","data":{"n":1e999999999}}`, event.InvalidInput},
		"an id of 1,000":          {event.SubjectSet, `{"collection":"h","id":"` + strings.Repeat("x", 1000) + `","data":{}}`, event.InvalidInput},
		"1 MB of value":           {event.SubjectSet, `{"collection":"h","data":{"t":"` + strings.Repeat("x", 1_000_000) + `"}}`, ""},
		"no JSON":                 {event.SubjectSet, "\x00\x1b[31m\xff", event.InvalidInput},
		"a deep patch":            {event.SubjectUpdate, `{"collection":"h","id":1,"ops":{"$set":{"a":` + nested("[", "1", "]") + `}}}`, event.InvalidInput},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			reply, err := nc.Request(tt.subject, []byte(tt.body), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			got := event.ReplyError(reply.Data)
			if event.CodeOf(got) != tt.code {
				t.Errorf("answered %.300s, want code %q", reply.Data, tt.code)
			}
			if len(reply.Data) > 10_000 {
				t.Errorf("the answer has %d bytes", len(reply.Data))
			}
			t.Logf("%d bytes answered in %s: %.120s", len(tt.body), time.Since(began).Round(time.Microsecond), reply.Data)
		})
	}
	if reply, err := nc.Request(event.SubjectSet, fmt.Append(nil, `{"collection":"after","id":"x","data":{"fine":true}}`), time.Minute); err != nil || event.ReplyError(reply.Data) != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// What is stored can be read through the service, however near its size is to what fits
// a message.
func TestLargeRecordsCanBeRead(t *testing.T) {
	t.Parallel()
	s, nc := newService(t)
	stored := 0
	for _, less := range []int64{20, 60, 100, 500, 1000, 1500, 3000} {
		data := `{"t":"` + strings.Repeat("x", int(nc.MaxPayload()-less)-len(`{"id":1,"t":""}`)) + `"}`
		_, err := s.Store().Set(streamstest.Context(t), event.Set{Collection: "c", ID: "1", Data: []byte(data)})
		if err != nil {
			if event.CodeOf(err) != event.InvalidInput {
				t.Errorf("%d bytes below the limit: %v", less, err)
			}
			continue
		}
		stored++
		get, err := nc.Request(event.SubjectGet, []byte(`{"collection":"c","id":1}`), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := event.ReplyError(get.Data); err != nil {
			t.Errorf("%d bytes below the limit was stored, and then: %v", less, err)
		}
	}
	if stored == 0 {
		t.Error("nothing was stored")
	}
}
