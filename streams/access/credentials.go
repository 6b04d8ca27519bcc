// Package access is what a plugin with NATS credentials of its own may do: its
// credentials, its permissions, and the Provisioner, which does for it what they do
// not allow.
package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/jsapi"
)

// Credential says that the owner of a key may act as a plugin. The private key is
// in the file that IssueCredentials made, and nowhere else.
type Credential struct {
	Plugin string    `json:"plugin"`
	Key    string    `json:"public_key"`
	Issued time.Time `json:"issued"`
}

// credentialsFile is the list of credentials in a store.
func credentialsFile(store string) string { return filepath.Join(store, "credentials.json") }

// Credentials lists the credentials that a store's server accepts, by plugin.
func Credentials(store string) ([]Credential, error) {
	var list []Credential
	b, err := os.ReadFile(credentialsFile(store))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read the credentials of plugins: %w", err)
	}
	return list, nil
}

// IssueCredentials makes a key for a plugin and returns the text of a .creds file
// for it, as NATS clients in any language read it. A key that the plugin had before
// is no longer accepted. A running server notices at the plugin's next connection;
// see AnnounceCredentials.
func IssueCredentials(store, plugin string) ([]byte, error) {
	if !event.ValidName(plugin) {
		return nil, event.Errorf(event.InvalidInput, "%q is not a plugin's name: it is 1 to %d of A-Z a-z 0-9 _ -", plugin, event.MaxNameLength)
	}
	user, userErr := nkeys.CreateUser()
	// The server checks the key only. The token around it, which the format asks
	// for, is signed by a key that is not kept.
	signer, signerErr := nkeys.CreateAccount()
	if err := errors.Join(userErr, signerErr); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	defer user.Wipe()
	defer signer.Wipe()
	key, keyErr := user.PublicKey()
	seed, seedErr := user.Seed()
	if err := errors.Join(keyErr, seedErr); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	claims := jwt.NewUserClaims(key)
	claims.Name = streams.Durable(plugin)
	token, err := claims.Encode(signer)
	if err != nil {
		return nil, fmt.Errorf("sign credentials: %w", err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return nil, fmt.Errorf("write credentials: %w", err)
	}
	return text, changeCredentials(store, plugin, func(others []Credential) []Credential {
		return append(others, Credential{Plugin: plugin, Key: key, Issued: time.Now().UTC().Truncate(time.Second)})
	})
}

// WriteCredentials issues credentials to a plugin and writes them to a file of their own, in
// place of one that is there. The plugin's durable is there, too, then: its credentials do not
// allow it to make one. It refuses a server on which credentials would not hold; see
// checkSeparated.
func WriteCredentials(ctx context.Context, js jetstream.JetStream, store, plugin, path string) error {
	if err := checkSeparated(ctx, js); err != nil {
		return err
	}
	if err := OpenCommandConsumer(ctx, js, plugin); err != nil {
		return err
	}
	text, err := IssueCredentials(store, plugin)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	// A file that exists keeps its mode when it is written to.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write credentials: %w", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	return nil
}

// RevokeCredentials removes the plugin's key from the accepted ones; found is false
// when it had none. A running server closes the plugin's connections at
// AnnounceCredentials.
func RevokeCredentials(store, plugin string) (found bool, err error) {
	list, err := Credentials(store)
	if err != nil || !slices.ContainsFunc(list, func(c Credential) bool { return c.Plugin == plugin }) {
		return false, err
	}
	return true, changeCredentials(store, plugin, func(others []Credential) []Credential { return others })
}

// changeCredentials calls change with all credentials but the plugin's, and writes
// what it returns.
func changeCredentials(store, plugin string, change func([]Credential) []Credential) error {
	list, err := Credentials(store)
	if err != nil {
		return err
	}
	list = change(slices.DeleteFunc(list, func(c Credential) bool { return c.Plugin == plugin }))
	slices.SortFunc(list, func(a, b Credential) int { return strings.Compare(a.Plugin, b.Plugin) })
	return connect.WriteStoreFile(credentialsFile(store), list)
}

// CredentialsSubject is the subject on which the embedded server learns that its
// store's credentials have changed.
const CredentialsSubject = "rosey.credentials"

// AnnounceCredentials tells a running server that its store's credentials have
// changed, and returns how many connections it closed because of that.
func AnnounceCredentials(nc *nats.Conn) (closed int, err error) {
	reply, err := nc.Request(CredentialsSubject, nil, streams.DefaultTimeout)
	if err != nil {
		return 0, fmt.Errorf("tell the server of changed credentials: %w (restart the bot for them to take effect)", err)
	}
	if err := json.Unmarshal(reply.Data, &closed); err != nil {
		return 0, fmt.Errorf("tell the server of changed credentials: it says %.200s", reply.Data)
	}
	return closed, nil
}

// Restricted reports whether a connection has permissions that limit it, as one
// with a plugin's own credentials. Outdated says that an earlier release printed them
// (see Permissions.Config): they let the plugin publish to the bot's inboxes.
func Restricted(nc *nats.Conn) (restricted, outdated bool, err error) {
	u, err := jsapi.UserInfo(nc)
	publish := u.Permissions.Publish
	return publish != nil, publish != nil && slices.Contains(publish.Allow, "_INBOX.>"), err
}

// ReadsSettings reports whether a plugin with credentials of its own may read its
// settings, which the server's configuration for one of an earlier release does not allow.
func ReadsSettings(nc *nats.Conn) (bool, error) {
	u, err := jsapi.UserInfo(nc)
	publish := u.Permissions.Publish
	return publish != nil && slices.Contains(publish.Allow, settingsInfo), err
}
