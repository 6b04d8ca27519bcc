package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// What docs/cluster.md says that the bot's account must allow is what a bot makes that uses
// all of it.
func TestWhatTheAccountMustAllow(t *testing.T) {
	streamstest.Slow(t, "runs a bot on a server of its own")
	t.Parallel()
	server := externalServer(t)
	r := openChannels(t, "one")
	config := settingsFileWith(t, "site: %s\nuser: rosey\nnats: %s\nchannels:\n  - channel: one\n", r.site.URL(), server)
	bot := startWith(t, []string{"ROSEY_PASSWORD=secret"}, "run", "--config", config)
	r.awaitUser("one", bot)
	r.say("one", "!quote add hello")
	r.hear("one", "Added quote")
	key := filepath.Join(t.TempDir(), "key")
	for _, args := range [][]string{{"audit", "key"}, {"audit", "forget", "--user", "user-one", "--yes"}} {
		if out := rosey(t, "", append(args, "--config", config, "--key", key)...); out.code != 0 {
			t.Fatalf("%v: %+v", args, out)
		}
	}
	made, consumers := madeStreams(t, server)
	for stream, names := range consumers {
		for _, name := range names {
			if kind := kindOfConsumer(name); kind == "" {
				t.Errorf("%s has the consumer %s, of which docs/cluster.md does not tell", stream, name)
			}
		}
		if len(names) > 50 {
			t.Errorf("%s has %d consumers, and docs/cluster.md says that 50 are plenty", stream, len(names))
		}
	}
	var buckets []string
	for _, name := range made {
		bucket, isBucket := strings.CutPrefix(name, jsapi.BucketStream(""))
		if isBucket && !strings.HasPrefix(bucket, streams.CollectionPrefix) {
			buckets = append(buckets, bucket)
		}
		if !isBucket && !streams.InTopology(name) && name != streams.ChannelSnapshots {
			t.Errorf("it made the stream %s", name)
		}
	}
	slices.Sort(buckets)
	if want := streams.Buckets(); !slices.Equal(buckets, want) {
		t.Errorf("it made the buckets %q, and streams.Buckets has %q", buckets, want)
	}
	doc, err := os.ReadFile("../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d streams (`%s` comes with the first snapshot), %d buckets (`%s`)", len(streams.Specs())+1, streams.ChannelSnapshots, len(buckets), strings.Join(buckets, "`, `"))
	if !strings.Contains(string(doc), want) {
		t.Errorf("docs/cluster.md does not say %s", want)
	}
	if want := "one or two for each plugin, one for each channel, the router's, that of changed settings, and what reads at the moment"; !strings.Contains(string(doc), want) {
		t.Errorf("docs/cluster.md does not say %s", want)
	}
}

// kindOfConsumer returns which of the consumers that docs/cluster.md counts one is, or "".
func kindOfConsumer(name string) string {
	for _, kind := range []string{"router", "cytube-sender", "plugin-", "past-", "settings-events"} {
		if strings.HasPrefix(name, kind) {
			return kind
		}
	}
	if len(name) == 8 || len(name) == 22 { // a name that the client made: it reads at the moment
		return "reading"
	}
	return ""
}

// madeStreams returns the streams of a server's account, and the names of their consumers.
func madeStreams(t *testing.T, server string) (names []string, consumers map[string][]string) {
	t.Helper()
	nc, err := nats.Connect(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	list := js.StreamNames(streamstest.Context(t))
	for name := range list.Name() {
		names = append(names, name)
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	consumers = map[string][]string{}
	for _, name := range names {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		list := stream.ConsumerNames(t.Context())
		for consumer := range list.Name() {
			consumers[name] = append(consumers[name], consumer)
		}
		if err := list.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return names, consumers
}
