package jsapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/event"
)

// ErrRefused is wrapped by errors about what the configuration of the server does not
// allow an account or a user. Only an operator can change that.
var ErrRefused = errors.New("refused by the NATS server's configuration (docs/cluster.md says what the bot's account must have)")

// remedies are what to change where JetStream refuses something for good, by its code;
// the comments are nats-server's names.
var remedies = map[jetstream.ErrorCode]string{
	jetstream.JSErrCodeJetStreamNotEnabledForAccount: "enable jetstream for the account",
	jetstream.JSErrCodeMaximumConsumersLimit:         "raise the account's max_consumers: two for each channel and plugin, and one for each collection in use",
	10027:                                            "raise the account's max_streams: docs/cluster.md lists the streams and buckets, and each collection is one",                          // JSMaximumStreamsLimitErr
	10113:                                            "set max_bytes_required: false for the account: the limits of the bot's streams are its own setting, retention",                       // JSStreamMaxBytesRequired
	10120:                                            "give the account limits for the tier of the bot's replicas",                                                                          // JSNoLimitsErr
	10121:                                            "raise max_ack_pending of the account or of the server's jetstream limits to 1000",                                                    // JSConsumerMaxPendingAckExcessErrF
	10122:                                            "raise the account's disk_max_stream_bytes, or set a smaller max_bytes in the bot's retention",                                        // JSStreamMaxStreamBytesExceeded
	10002:                                            "raise the account's max_file, or set retention so that the streams' max_bytes and those of other streams in the account fit into it", // JSAccountResourcesExceededErr
}

// Explain returns err wrapped with ErrRefused, the account and the remedy, if the
// server's configuration refuses for good what was asked on a connection, and else err.
func Explain(nc *nats.Conn, err error) error {
	refused, ok := errors.AsType[jetstream.JetStreamError](err)
	if !ok || refused.APIError() == nil || errors.Is(err, ErrRefused) {
		return err
	}
	remedy, ok := remedies[refused.APIError().ErrorCode]
	if !ok {
		return err
	}
	account := "of this user"
	if u, err := UserInfo(nc); err == nil && u.Account != "" {
		account = u.Account
	}
	return fmt.Errorf("%w: account %s: %w: %s", ErrRefused, account, err, remedy)
}

// User is what a server says of the user of a connection.
type User struct {
	User        string `json:"user"`
	Account     string `json:"account"`
	Permissions struct {
		Publish   *SubjectPermission `json:"publish"`
		Subscribe *SubjectPermission `json:"subscribe"`
	} `json:"permissions"`
}

// SubjectPermission is the part of a user's permissions for one direction. Without Allow
// all is allowed that Deny does not have.
type SubjectPermission struct {
	Allow []string `json:"allow"`
	Deny  []string `json:"deny"`
}

func (p *SubjectPermission) allows(subject string) bool {
	matches := func(pattern string) bool { return event.Match(pattern, subject) }
	return p == nil || (len(p.Allow) == 0 || slices.ContainsFunc(p.Allow, matches)) && !slices.ContainsFunc(p.Deny, matches)
}

// UserInfoSubject is the subject on which a server tells a connection who it is.
const UserInfoSubject = "$SYS.REQ.USER.INFO"

// UserInfo returns the user of a connection; the zero User from servers too old to tell.
func UserInfo(nc *nats.Conn) (User, error) {
	reply, err := nc.Request(UserInfoSubject, nil, userInfoTimeout)
	if errors.Is(err, nats.ErrNoResponders) {
		return User{}, nil
	}
	var info struct {
		Data User `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(reply.Data, &info)
	}
	if err != nil {
		return User{}, fmt.Errorf("ask the server what this connection may do: %w", err)
	}
	return info.Data, nil
}

const userInfoTimeout = 5 * time.Second

// CheckUser returns an error that wraps ErrRefused and names the subjects that the user
// of a bot's connection may not publish on or subscribe to: the server drops what it
// refuses, which looks like a server that does not answer.
func CheckUser(nc *nats.Conn) error {
	u, err := UserInfo(nc)
	switch {
	case err == nil:
	case errors.Is(nc.LastError(), nats.ErrPermissionViolation):
		return fmt.Errorf("%w: %w: allow the bot's user all subjects of its account", ErrRefused, nc.LastError())
	default:
		return nil //nolint:nilerr // whatever needs the server next says why it does not answer
	}
	var denied []string
	for _, subject := range []string{
		"cytube.chat", "plugin.dice.command", "plugin.dice.event.rolled", "platform.startup", "database.get", "rosey.status",
		"$JS.API.STREAM.CREATE.CYTUBE", "$JS.API.CONSUMER.MSG.NEXT.CYTUBE.router", "$JS.API.STREAM.MSG.GET.CYTUBE", "$JS.API.DIRECT.GET.CYTUBE",
		"$JS.ACK.CYTUBE.router.1.1.1.1.0", "$KV.plugins.dice",
	} {
		if !u.Permissions.Publish.allows(subject) {
			denied = append(denied, "publish "+subject)
		}
	}
	for _, subject := range []string{nc.NewInbox(), "plugin.dice.request", "database.get", "rosey.status"} {
		if !u.Permissions.Subscribe.allows(subject) {
			denied = append(denied, "subscribe "+subject)
		}
	}
	if len(denied) == 0 {
		return nil
	}
	return fmt.Errorf("%w: user %s of account %s may not %s: allow the bot's user all subjects of its account", ErrRefused, u.User, u.Account, strings.Join(denied, ", "))
}
