// Package streams is the NATS side of Rosey: the embedded server or the
// connection to an external one, the streams that hold every event, and the Bus
// that publishes, requests and subscribes.
package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// ErrStoreInUse is wrapped by StartServer when another process holds the store.
var ErrStoreInUse = errors.New("the store is in use")

// ServerConfig are the settings of the embedded server.
type ServerConfig struct {
	Store      string        // directory that holds streams, buckets and credentials
	Listen     string        // address to listen on; "" serves in-process connections only
	SyncAlways bool          // fsync each write before it is acknowledged
	Reserve    int64         // bytes of the store's disk that stay free; 0 is DefaultReserve
	MaxStore   int64         // bytes that the store may hold; 0 is as many as there is room for
	Holder     string        // what to call this process to one that finds the store in use
	Patience   time.Duration // for a store that a process of another kind than Holder uses, as one that only looks
	Logger     *slog.Logger  // gets the server's warnings and errors; nil discards
}

// Server is an embedded NATS server with JetStream on a store directory that no
// other server uses at the same time.
type Server struct {
	ns    *server.Server
	lock  *flock.Flock
	info  ServerInfo
	store string
	path  string     // of server.json
	own   *nats.Conn // on which it listens for changed credentials

	keeper  *keeper
	unwatch func() // ends the keeper's watch
}

// ServerInfo is what server.json in the store says of a running server, so that
// other commands and plugin processes find it. The file is readable by its
// owner alone. It outlives the server: the next one on the store takes the
// credentials over, and the port if it is free, so that clients of any language
// find it where they left the last one.
type ServerInfo struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
	PID      int    `json:"pid"` // of the process that listens, 0 while none does
}

// greetingTimeout is how long a connection may take to be made: longer than the
// usual 2 s, as on a machine that is busy with something else it takes longer.
const greetingTimeout = 15 * time.Second

// readyTimeout is how long a store may take to recover its streams.
const readyTimeout = 2 * time.Minute

// StartServer takes the store, creating it if need be, and starts a server on
// it. The error wraps ErrStoreInUse, and names the holder, when another process
// has the store.
func StartServer(c ServerConfig) (*Server, error) {
	if err := os.MkdirAll(c.Store, 0o700); err != nil {
		return nil, fmt.Errorf("create the store: %w (choose another directory with --store)", err)
	}
	lock, torn, err := takeStore(c)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, store: c.Store, path: filepath.Join(c.Store, "server.json")}
	if err := s.start(c, torn); err != nil {
		if !torn {
			err = errors.Join(err, forgetHolder(c.Store))
		}
		lock.Unlock()
		return nil, err
	}
	return s, nil
}

// start starts the server; torn says that the last one on the store did not stop.
func (s *Server) start(c ServerConfig, torn bool) error {
	before, err := readInfo(s.path)
	if err != nil {
		return err
	}
	s.info = before
	if s.info.Password == "" {
		s.info.User, s.info.Password = "rosey", nuid.Next()+nuid.Next()
	}
	door := &gate{store: c.Store, owner: s.info, accounts: map[string]*server.Account{}}
	opts := &server.Options{
		ServerName: "rosey",
		JetStream:  true,
		StoreDir:   c.Store,

		JetStreamMaxStore: noLimit,
		SyncAlways:        c.SyncAlways,
		DontListen:        c.Listen == "",
		NoSigs:            true,
		Debug:             false,

		AuthTimeout:                greetingTimeout.Seconds(),
		CustomClientAuthentication: door,
		AlwaysEnableNonce:          true, // the challenge that the owner of a key signs
	}
	if c.Listen != "" {
		host, port, err := splitListen(c.Listen, before.URL)
		if err != nil {
			return err
		}
		opts.Host, opts.Port = host, port
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("configure the NATS server: %w", err)
	}
	door.ns = ns
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s.keeper = &keeper{ns: ns, store: c.Store, reserve: cmp.Or(c.Reserve, DefaultReserve), max: c.MaxStore, log: log, alarm: make(chan struct{}, 1), limit: -1}
	ns.SetLoggerV2(serverLog{log, s.keeper.heard}, false, false, false)
	ns.Start()
	if !ns.ReadyForConnections(readyTimeout) {
		ns.Shutdown()
		ns.WaitForShutdown()
		return fmt.Errorf("the NATS server did not start within %s: see the log above", readyTimeout)
	}
	s.ns = ns
	s.keeper.look()
	if err := s.guard(); err != nil {
		ns.Shutdown()
		ns.WaitForShutdown()
		return err
	}
	s.checkStock(torn, log)
	if torn {
		s.reconcile(log)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	s.keeper.nc = s.own
	watching.Go(func() { s.keeper.watch(ctx) })
	s.unwatch = func() { cancel(); watching.Wait() }
	if c.Listen == "" {
		// Nobody is to look for a server where one that was killed listened.
		s.info.PID, s.info.URL = 0, ""
		if before.PID != 0 {
			before.PID = 0
			err = writeInfo(s.path, before)
		}
	} else {
		s.info.PID, s.info.URL = os.Getpid(), ns.ClientURL()
		err = writeInfo(s.path, s.info)
	}
	if err != nil {
		s.shutDown()
		return err
	}
	return nil
}

func (s *Server) shutDown() {
	s.unwatch()
	closed := make(chan struct{})
	s.own.SetClosedHandler(func(*nats.Conn) { close(closed) })
	s.own.Close()
	<-closed
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}

// splitListen also tries the address out: the server itself would report a
// taken port only by never becoming ready. An address that leaves the port open
// gets that of before, the URL of the store's last server, if it is free.
func splitListen(address, before string) (host string, port int, err error) {
	if host, p, err := net.SplitHostPort(address); err == nil && p == "0" {
		if u, err := url.Parse(before); err == nil && u.Hostname() == host && u.Port() != "" {
			if host, port, err := splitListen(u.Host, ""); err == nil {
				return host, port, nil
			}
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", 0, fmt.Errorf("listen on %s: %w (choose another address with --listen, or 127.0.0.1:0 for any free port)", address, err)
	}
	defer l.Close()
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("listen on %s: %w", address, err)
	}
	if port, err = strconv.Atoi(p); err != nil {
		port = l.Addr().(*net.TCPAddr).Port
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// Info says how to reach the server; its URL is "" when it does not listen.
func (s *Server) Info() ServerInfo { return s.info }

// Full returns an error that wraps ErrFull and says what to do while there is no
// room for anything new, and nil otherwise.
func (s *Server) Full() error { return s.keeper.Full() }

// Connect opens an in-process connection, which skips the network.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	opts = append([]nats.Option{nats.InProcessServer(s), nats.UserInfo(s.info.User, s.info.Password), nats.Timeout(greetingTimeout)}, opts...)
	nc, err := nats.Connect("", opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	return nc, nil
}

// Stop shuts the server down, waits until everything is on disk, and gives the
// store back.
func (s *Server) Stop() error {
	err := s.takeStock()
	s.shutDown()
	if note := s.info; note.PID != 0 {
		note.PID = 0
		err = errors.Join(err, writeInfo(s.path, note))
	}
	return errors.Join(err, forgetHolder(s.store), s.lock.Unlock())
}

func writeInfo(path string, info ServerInfo) error { return writePrivate(path, info) }

// writePrivate writes a value as JSON to a file that its owner alone may read.
func writePrivate(path string, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	// A rename lets a reader see the old file or the new one, never half of one.
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// ErrNotRunning is returned by Find when no server listens for the store.
var ErrNotRunning = errors.New("no bot is running on this store")

// Find reads how to reach the server that runs on a store. It returns
// ErrNotRunning when none does, also when one was killed and left its note.
func Find(store string) (ServerInfo, error) {
	lock := flock.New(filepath.Join(store, "lock"))
	if _, err := os.Stat(lock.Path()); err == nil {
		if free, err := lock.TryRLock(); err == nil && free {
			lock.Unlock()
			return ServerInfo{}, ErrNotRunning
		}
	}
	info, err := readInfo(filepath.Join(store, "server.json"))
	if err == nil && info.PID == 0 {
		err = ErrNotRunning
	}
	return info, err
}

// readInfo reads a server.json; a zero ServerInfo when there is none.
func readInfo(path string) (info ServerInfo, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return info, nil
	}
	if err != nil {
		return ServerInfo{}, denied(fmt.Errorf("read server details: %w", err))
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return ServerInfo{}, fmt.Errorf("read server details: %w (if the file is damaged, remove %s: the next start writes it anew)", err, path)
	}
	return info, nil
}

// IsStore reports whether a server has made a store of a directory; a new one
// would make one of any. The error is a *DeniedError where that cannot be seen.
func IsStore(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, server.JetStreamStoreDir))
	if errors.Is(err, fs.ErrPermission) {
		return false, &DeniedError{err}
	}
	return err == nil, nil
}

// DeniedError is an error about a store that belongs to another user; it says
// what to do, and wraps one that does not.
type DeniedError struct{ Err error }

// AsItsOwner is what to do about a DeniedError.
const AsItsOwner = "run as the user that the store belongs to, or with sudo"

func (e *DeniedError) Error() string { return e.Err.Error() + ": " + AsItsOwner }

// Unwrap returns Err.
func (e *DeniedError) Unwrap() error { return e.Err }

// denied makes a DeniedError of one that wraps fs.ErrPermission; other errors,
// and nil, it returns as they are.
func denied(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return &DeniedError{err}
}

type serverLog struct {
	log   *slog.Logger
	heard func() // is told of errors
}

func (l serverLog) Noticef(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l serverLog) Debugf(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l serverLog) Tracef(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l serverLog) Warnf(format string, args ...any)   { l.log.Warn(fmt.Sprintf(format, args...)) }
func (l serverLog) Fatalf(format string, args ...any)  { l.Errorf(format, args...) }
func (l serverLog) Errorf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...))
	l.heard()
}
