package crashtest

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams/monitor"
)

// deleteConsumer deletes a durable consumer, as an operator might with the NATS CLI. It
// returns its name, or "" when there is none or NATS is down.
func (a *attacker) deleteConsumer(ctx context.Context, which int) string {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	states, err := monitor.Consumers(ctx, a.streams.js)
	if err != nil || len(states) == 0 {
		return ""
	}
	slices.SortFunc(states, func(x, y monitor.ConsumerState) int {
		return cmp.Or(strings.Compare(x.Stream, y.Stream), strings.Compare(x.Name, y.Name))
	})
	c := states[which%len(states)]
	if a.streams.js.DeleteConsumer(ctx, c.Stream, c.Name) != nil {
		return ""
	}
	return c.Name + " on " + c.Stream
}

// deleteBucket deletes a KV bucket of the bot's own, not a collection, whose records
// nothing else holds.
func (a *attacker) deleteBucket(ctx context.Context, which int) string {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var buckets []string
	names := a.streams.js.KeyValueStoreNames(ctx)
	for name := range names.Name() {
		if name = strings.TrimPrefix(name, "KV_"); !strings.HasPrefix(name, kvstore.BucketPrefix) {
			buckets = append(buckets, name)
		}
	}
	if names.Error() != nil || len(buckets) == 0 {
		return ""
	}
	slices.Sort(buckets)
	bucket := buckets[which%len(buckets)]
	if a.streams.js.DeleteKeyValue(ctx, bucket) != nil {
		return ""
	}
	return bucket
}

// damages are what may become of a file that is written when the power goes.
var damages = []struct {
	what string
	do   func(path string, size int64) error
}{
	{"emptied", func(path string, _ int64) error { return os.Truncate(path, 0) }},
	{"cut", func(path string, size int64) error { return os.Truncate(path, size/2) }},
	{"zeroed", func(path string, size int64) error { return os.WriteFile(path, make([]byte, size), 0o600) }},
	{"removed", func(path string, _ int64) error { return os.Remove(path) }},
}

// damageable are the files beside the events. A server writes them without fsync; what
// they hold can be told from the rest, or made again.
var damageable = []string{"o.dat", "meta.inf", "meta.sum", "index.db"}

// damageFile damages a file of a server that does not run, and returns what it did.
func damageFile(store string, which int) (string, error) {
	var files []string
	err := filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
		if err == nil && slices.Contains(damageable, d.Name()) && strings.Contains(path, "streams") {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("find a file to damage: %d, %w", len(files), err)
	}
	path, damage := files[which%len(files)], damages[which%len(damages)]
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	name, _ := filepath.Rel(store, path)
	return fmt.Sprintf("%s is %s", name, damage.what), damage.do(path, info.Size())
}

// hitPiece deletes a piece of what the server holds.
func (a *attacker) hitPiece(ctx context.Context, p planned) {
	switch p.kind {
	case Durable:
		if name := a.deleteConsumer(ctx, p.which); name != "" {
			a.record(p.kind, time.Now(), "consumer %s is deleted", name)
		}
	case Bucket:
		if name := a.deleteBucket(ctx, p.which); name != "" {
			a.record(p.kind, time.Now(), "bucket %s is deleted", name)
		}
	case File:
		servers, store := a.bots, filepath.Join(a.Dir, "store")
		if len(a.nats) > 0 {
			servers, store = a.nats, filepath.Join(a.Dir, a.nats[p.which%len(a.nats)].name)
		}
		at := time.Now()
		servers[p.which%len(servers)].kill(p.down, func() {
			what, err := damageFile(store, p.which)
			a.record(p.kind, at, "%s is killed, and %s %v", servers[p.which%len(servers)].name, what, err)
		})
	}
}
