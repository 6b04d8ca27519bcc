package natsproxy

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

func TestFrames(t *testing.T) {
	t.Parallel()
	const ack = "$JS.ACK.PLUGIN.plugin-x.2.41.7.1700000000000000000.3"
	for text, want := range map[string]struct {
		subject, body string
		step          bool
		seq           uint64 // of the delivery
		settles       bool   // 41
	}{
		"PUB cytube.send.chat 2\r\nhi\r\n":                                    {subject: "cytube.send.chat", body: "hi", step: true},
		"pub cytube.send.chat _INBOX.1 0\r\n\r\n":                             {subject: "cytube.send.chat", step: true},
		"HPUB database.set _INBOX.1 12 14\r\nNATS/1.0\r\n\r\n{}\r\n":          {subject: "database.set", body: "{}", step: true},
		"PUB " + ack + " 4\r\n+ACK\r\n":                                       {subject: ack, body: "+ACK", step: true, settles: true},
		"PUB " + ack + " 4\r\n+WPI\r\n":                                       {subject: ack, body: "+WPI"},
		"PUB $JS.API.CONSUMER.MSG.NEXT.PLUGIN.plugin-x _INBOX.2 0\r\n\r\n":    {subject: "$JS.API.CONSUMER.MSG.NEXT.PLUGIN.plugin-x"},
		"MSG plugin.x.command 1 " + ack + " 2\r\n{}\r\n":                      {body: "{}", seq: 41},
		"HMSG plugin.x.command 1 " + ack + " 12 14\r\nNATS/1.0\r\n\r\n{}\r\n": {body: "{}", seq: 41},
		"MSG _INBOX.1 1 2\r\n{}\r\n":                                          {body: "{}"},
		"PING\r\n":                                                            {},
		"INFO {\"a\": 1}\r\n":                                                 {},
		"\r\n":                                                                {},
	} {
		f, err := readFrame(bufio.NewReader(strings.NewReader(text + "PING\r\n")))
		d, _ := f.Delivered()
		if err != nil || f.Subject() != want.subject || string(f.body()) != want.body || f.IsStep() != want.step || d.Seq != want.seq || f.Settles(41) != want.settles {
			t.Errorf("%q: subject %q, body %q, step %v, delivery %+v, settles %v, %v", text, f.Subject(), f.body(), f.IsStep(), d, f.Settles(41), err)
		}
		var out strings.Builder
		if err := f.write(&out); err != nil || out.String() != text {
			t.Errorf("%q is written as %q, %v", text, out.String(), err)
		}
	}
	for _, text := range []string{"PUB x -1\r\n", "PUB x many\r\n", "PUB x 999999999999\r\n", "PUB x 5\r\nhi", "PUB"} {
		if f, err := readFrame(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q is read as %+v", text, f)
		}
	}
}

// A delivery is given another sequence and time in each form of its reply subject, and so is its
// acknowledgement.
func TestAs(t *testing.T) {
	t.Parallel()
	at := time.Unix(1699999940, 0)
	for reply, want := range map[string]string{
		"$JS.ACK.PLUGIN.plugin-x.2.41.7.1700000000000000000.3":          "$JS.ACK.PLUGIN.plugin-x.2.9.7.1699999940000000000.3",
		"$JS.ACK._.hash.PLUGIN.plugin-x.2.41.7.1700000000000000000.3":   "$JS.ACK._.hash.PLUGIN.plugin-x.2.9.7.1699999940000000000.3",
		"$JS.ACK._.hash.PLUGIN.plugin-x.2.41.7.1700000000000000000.3.x": "$JS.ACK._.hash.PLUGIN.plugin-x.2.9.7.1699999940000000000.3.x",
		"_INBOX.1": "_INBOX.1",
	} {
		for text, changed := range map[string]string{
			"MSG plugin.x.command 1 " + reply + " 2\r\n{}\r\n": "MSG plugin.x.command 1 " + want + " 2\r\n",
			"PUB " + reply + " 4\r\n+ACK\r\n":                  "PUB " + want + " 4\r\n",
		} {
			f, err := readFrame(bufio.NewReader(strings.NewReader(text)))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.As(9, at); string(got.raw) != changed {
				t.Errorf("%s becomes %q, want %q", reply, got.raw, changed)
			}
		}
	}
}
