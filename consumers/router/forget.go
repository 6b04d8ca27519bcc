package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Forgotten is what Forget erased.
type Forgotten struct {
	Grants int // revisions of what the user was granted, and whether it was revoked since
	Uses   int // last uses of commands by the user, and when the user was told to wait
}

// Forget erases a user from what the router keeps: what the user was granted, also in the
// past, and the last uses of commands that cool down. With dryRun it only counts.
func Forget(ctx context.Context, js jetstream.JetStream, user string, dryRun bool) (done Forgotten, err error) {
	done.Grants, err = eraseUser(ctx, js, streams.UserGrants, user, dryRun)
	if err == nil {
		done.Uses, err = eraseUser(ctx, js, streams.Cooldowns, user, dryRun)
	}
	return done, err
}

// eraseUser erases the messages of a bucket whose keys end with a user, and of the others
// that somebody of this name was told.
func eraseUser(ctx context.Context, js jetstream.JetStream, bucket, user string, dryRun bool) (erased int, err error) {
	s, err := js.Stream(ctx, jsapi.BucketStream(bucket))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, event.Errorf(event.NATSError, "look at bucket %s: %w", bucket, err)
	}
	for raw, err := range streams.Messages(ctx, js, streams.Selection{Stream: jsapi.BucketStream(bucket)}) {
		if err != nil {
			return erased, fmt.Errorf("read bucket %s: %w", bucket, err)
		}
		own := strings.HasSuffix(strings.ToLower(raw.Subject), "."+strings.ToLower(userKey(user)))
		kept, told := withoutTold(raw.Data, user)
		if !own && !told {
			continue
		}
		erased++
		if dryRun {
			continue
		}
		if err := jsapi.Erase(ctx, s, raw); err != nil {
			return erased, event.Errorf(event.NATSError, "erase in bucket %s: %w", bucket, err)
		}
		if !own { // somebody may have used it meanwhile, which counts
			if _, err := js.Publish(ctx, jsapi.KVSubject(js, raw.Subject), kept, jetstream.WithExpectLastSequencePerSubject(0)); err != nil && !jsapi.IsConflict(err) {
				return erased, event.Errorf(event.NATSError, "write in bucket %s: %w", bucket, err)
			}
		}
	}
	return erased, nil
}

// withoutTold returns a last use without the user, and whether it had the user.
func withoutTold(data []byte, user string) (kept []byte, told bool) {
	var last lastUse
	if json.Unmarshal(data, &last) != nil {
		return data, false
	}
	for name := range last.Told {
		if strings.EqualFold(name, user) {
			delete(last.Told, name)
			told = true
		}
	}
	if !told {
		return data, false
	}
	kept, err := json.Marshal(last)
	return kept, err == nil
}
