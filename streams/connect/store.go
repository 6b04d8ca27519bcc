package connect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats.go"
)

// ErrNotRunning is wrapped by errors about a store on which no server listens.
var ErrNotRunning = errors.New("no bot is running on this store")

// ServerInfo is the content of a store's server.json, by which commands and plugin
// processes find the embedded server. The file is readable by its owner alone. It
// outlives the server: the next one on the store takes over the credentials, and
// the port if it is free, so that clients in any language need no new settings.
type ServerInfo struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
	PID      int    `json:"pid"` // of the process that listens, 0 while none does
}

// ServerInfoPath is the path of a store's server.json.
func ServerInfoPath(store string) string { return filepath.Join(store, "server.json") }

// LockPath is the path of the file that a running server holds locked.
func LockPath(store string) string { return filepath.Join(store, "lock") }

// Find reads how to reach the server that runs on a store. It returns
// ErrNotRunning when none does, also when one was killed and left its server.json.
func Find(store string) (ServerInfo, error) {
	lock := flock.New(LockPath(store))
	if _, err := os.Stat(lock.Path()); err == nil {
		if free, err := lock.TryRLock(); err == nil && free {
			lock.Unlock()
			return ServerInfo{}, ErrNotRunning
		}
	}
	info, err := ReadServerInfo(store)
	if err == nil && info.PID == 0 {
		err = ErrNotRunning
	}
	return info, err
}

// ReadServerInfo reads a store's server.json; a zero ServerInfo when there is none.
func ReadServerInfo(store string) (info ServerInfo, err error) {
	path := ServerInfoPath(store)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return info, nil
	}
	if err != nil {
		return ServerInfo{}, Denied(fmt.Errorf("read server details: %w", err))
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return ServerInfo{}, fmt.Errorf("read server details: %w (if the file is damaged, remove %s: the next start writes it anew)", err, path)
	}
	return info, nil
}

// storeOptions make a connection look up its server's address in server.json at
// each attempt, because a restarted bot may listen elsewhere. As owner it also
// takes the credentials from there.
func storeOptions(store string, owner bool) []nats.Option {
	opts := []nats.Option{nats.Timeout(HandshakeTimeout), nats.SetCustomDialer(storeDialer(store))}
	if !owner {
		return opts
	}
	credentials := func() (user, password string) {
		info, err := Find(store)
		if err != nil {
			return "", "" // the dialer reports it
		}
		return info.User, info.Password
	}
	// While the bot is away, another server may have its old port and refuse us.
	return append(opts, nats.UserInfoHandler(credentials), nats.IgnoreAuthErrorAbort())
}

// storeDialer dials the server that runs on a store, whatever address it is given.
type storeDialer string

func (d storeDialer) Dial(network, _ string) (net.Conn, error) {
	info, err := Find(string(d))
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(info.URL)
	if err != nil {
		return nil, fmt.Errorf("read server details: %w", err)
	}
	return net.DialTimeout(network, u.Host, nats.DefaultTimeout)
}

// DeniedError is an error about a store that belongs to another user. Its text
// says what to do.
type DeniedError struct{ Err error }

// AsItsOwner is what to do about a DeniedError.
const AsItsOwner = "run as the user that the store belongs to, or with sudo"

func (e *DeniedError) Error() string { return e.Err.Error() + ": " + AsItsOwner }

// Unwrap returns Err.
func (e *DeniedError) Unwrap() error { return e.Err }

// Denied returns err as a *DeniedError if it wraps fs.ErrPermission, and else err.
func Denied(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return &DeniedError{err}
}

// WriteStoreFile writes a value as JSON to a file of a store that its owner alone
// may read. After a crash the file has the old content or the new.
func WriteStoreFile(path string, value any) (err error) {
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return ReplaceFile(path, path+".new", b)
}

// ReplaceFile writes a file in one step, which a power cut does not break: it writes a
// temporary one, on the same file system, and renames that.
func ReplaceFile(path, temporary string, content []byte) (err error) {
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
