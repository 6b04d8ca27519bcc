package socketio

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// recording is one line of testdata/cytube-frames.jsonl: clients talking to a
// real CyTube server.
type recording struct {
	Dir   string `json:"dir"`
	Frame string `json:"frame"`
}

// recordedFrames gives every frame of the recording, both directions.
func recordedFrames(t testing.TB) []string {
	t.Helper()
	f, err := os.Open("testdata/cytube-frames.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var frames []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r recording
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Dir == "in" || r.Dir == "out" {
			frames = append(frames, r.Frame)
		}
	}
	if len(frames) < 1000 {
		t.Fatalf("only %d frames in the recording", len(frames))
	}
	return frames
}

func TestRecordingDecodes(t *testing.T) {
	t.Parallel()
	for _, frame := range recordedFrames(t) {
		p, err := Decode([]byte(frame))
		if err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		if got := string(p.Encode()); got != frame {
			t.Fatalf("encoded differently:\n got %s\nwant %s", got, frame)
		}
		switch frame[:min(2, len(frame))] {
		case "42":
			if p.Type != Message || p.Name == "" {
				t.Fatalf("%s: decoded as %s %q", frame, p.Type, p.Name)
			}
		case "0{":
			shake, err := p.Handshake()
			want := Handshake{SID: shake.SID, PingInterval: 25 * time.Second, PingTimeout: 2 * time.Minute, MaxPayload: MaxFrame}
			if err != nil || shake != want || shake.SID == "" {
				t.Fatalf("%s: handshake %+v, %v", frame, shake, err)
			}
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	id := func(n uint64) *uint64 { return &n }
	args := func(s ...string) []json.RawMessage {
		raw := make([]json.RawMessage, 0, len(s))
		for _, a := range s {
			raw = append(raw, json.RawMessage(a))
		}
		return raw
	}
	tests := []struct {
		frame string
		want  Packet
	}{
		{"1", Packet{Type: Close}},
		{"2", Packet{Type: Ping}},
		{"2probe", Packet{Type: Ping, Data: []byte("probe")}},
		{"3", Packet{Type: Pong}},
		{"5", Packet{Type: Upgrade}},
		{"6", Packet{Type: Noop}},
		{"40", Packet{Type: Connect}},
		{`40{"sid":"a"}`, Packet{Type: Connect, Data: []byte(`{"sid":"a"}`)}},
		{"40/admin,", Packet{Type: Connect, Namespace: "/admin"}},
		{`40/admin,{"token":1}`, Packet{Type: Connect, Namespace: "/admin", Data: []byte(`{"token":1}`)}},
		{"41", Packet{Type: Disconnect}},
		{`42["rank",-1]`, Packet{Type: Message, Name: "rank", Args: args("-1")}},
		{`42["playNext"]`, Packet{Type: Message, Name: "playNext", Args: args()}},
		{`4212["a",1,null]`, Packet{Type: Message, ID: id(12), Name: "a", Args: args("1", "null")}},
		{`42/admin,7["a"]`, Packet{Type: Message, Namespace: "/admin", ID: id(7), Name: "a", Args: args()}},
		{`42/,["a"]`, Packet{Type: Message, Name: "a", Args: args()}},
		{`430["ok"]`, Packet{Type: Ack, ID: id(0), Args: args(`"ok"`)}},
		{`431[]`, Packet{Type: Ack, ID: id(1), Args: args()}},
		{`44{"message":"no"}`, Packet{Type: ConnectError, Data: []byte(`{"message":"no"}`)}},
	}
	for _, tt := range tests {
		got, err := Decode([]byte(tt.frame))
		if err != nil {
			t.Errorf("%s: %v", tt.frame, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.frame, diff)
		}
	}
}

func TestDecodeRefusesMalformedFrames(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, frame, want string }{
		{"empty", "", "empty frame"},
		{"no packet type", "9", "unknown Engine.IO packet type '9'"},
		{"text", "hello", "unknown Engine.IO packet type 'h'"},
		{"open without JSON", "0", "open packet does not hold JSON"},
		{"empty message", "4", "holds no Socket.IO packet"},
		{"unknown message type", "49", "unknown Socket.IO packet type '9'"},
		{"binary event", `451-["a",{"_placeholder":true,"num":0}]`, "binary"},
		{"connect with rubbish", "40{", "connect packet does not hold JSON"},
		{"event without payload", "42", "JSON array"},
		{"event with an object", "42{}", "JSON array"},
		{"event without a name", "42[]", "without an event name"},
		{"event with a number for name", "42[5]", "not a string: 5"},
		{"event with null for name", "42[null]", "not a string"},
		{"truncated event", `42["chatMsg",{"msg":"hi"`, "JSON array"},
		{"trailing rubbish", `42["a"]x`, "JSON array"},
		{"impossible id", `4299999999999999999999["a"]`, "impossible id"},
		{"ack without id", `43["a"]`, "ack packet without an id"},
		{"namespace only", "42/admin", "JSON array"},
		{"not UTF-8", "42[\"\xff\"]", "UTF-8"},
		{"deeply nested", `42["a",` + strings.Repeat("[", 20000), "JSON array"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := Decode([]byte(tt.frame))
			if err == nil {
				t.Fatalf("decoded as %+v", p)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %q, want it to contain %q", err, tt.want)
			}
		})
	}
}

func TestDecodeLargeFrame(t *testing.T) {
	t.Parallel()
	frame := `42["a","` + strings.Repeat("x", MaxFrame-10) + `"]`
	p, err := Decode([]byte(frame))
	if err != nil || len(frame) != MaxFrame {
		t.Fatalf("frame of %d bytes: %v", len(frame), err)
	}
	if got := string(p.Encode()); got != frame {
		t.Fatal("a frame of 1 MiB changed on the way")
	}
}

func TestHandshakeRefusesImpossibleTimes(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`{}`, `[]`, `{"pingInterval":0,"pingTimeout":1}`, `{"pingInterval":25000}`,
		`{"pingInterval":-1,"pingTimeout":5}`, `{"pingInterval":9223372036854775807,"pingTimeout":5}`, `{"pingInterval":"x"}`} {
		if shake, err := (Packet{Type: Open, Data: []byte(data)}).Handshake(); err == nil {
			t.Errorf("%s: accepted as %+v", data, shake)
		}
	}
	if _, err := (Packet{Type: Ping}).Handshake(); err == nil {
		t.Error("a ping was accepted as handshake")
	}
}

func TestNewEventKeepsMarkup(t *testing.T) {
	t.Parallel()
	p, err := NewEvent("chatMsg", map[string]any{"msg": `<b> & "q"`})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(p.Encode()), `42["chatMsg",{"msg":"<b> & \"q\""}]`; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if _, err := NewEvent("x", func() {}); err == nil || !strings.Contains(err.Error(), `argument 1 of event "x"`) {
		t.Fatalf("a function was encoded: %v", err)
	}
}

func TestEventRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := Packet{
			Type:      Message,
			Namespace: rapid.SampledFrom([]string{"", "/a", "/b/c"}).Draw(t, "namespace"),
			Name:      rapid.String().Draw(t, "name"),
			Args:      []json.RawMessage{},
		}
		if rapid.Bool().Draw(t, "ack") {
			n := rapid.Uint64().Draw(t, "id")
			want.ID = &n
		}
		for _, s := range rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, "args") {
			raw, err := marshal(map[string]any{"s": s, "n": len(s)})
			if err != nil {
				t.Fatal(err)
			}
			want.Args = append(want.Args, raw)
		}
		got, err := Decode(want.Encode())
		if err != nil {
			t.Fatalf("%s: %v", want.Encode(), err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", want.Encode(), diff)
		}
	})
}

// FuzzDecode checks that no frame panics and that what decodes comes back the
// same once encoded.
func FuzzDecode(f *testing.F) {
	seen := map[string]bool{}
	for _, frame := range recordedFrames(f) {
		// One of each kind of frame is seed enough; the recording repeats itself.
		kind, _, _ := strings.Cut(frame, ",")
		if !seen[kind] {
			seen[kind] = true
			f.Add([]byte(frame))
		}
	}
	for _, frame := range []string{"", "4", "2probe", `42/a,12["b",{}]`, `430[]`, `44"no"`, "451-[]", "40/a", "\xff"} {
		f.Add([]byte(frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := Decode(frame)
		if err != nil {
			return
		}
		if p.Type == Open {
			_, _ = p.Handshake()
		}
		encoded := p.Encode()
		again, err := Decode(encoded)
		if err != nil {
			t.Fatalf("%q became %q, which is malformed: %v", frame, encoded, err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("%q became %q (-first +second):\n%s", frame, encoded, diff)
		}
		if !bytes.Equal(again.Encode(), encoded) {
			t.Fatalf("%q is not stable", encoded)
		}
	})
}
