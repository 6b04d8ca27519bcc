// Package embedded runs a NATS server with JetStream in the process, on a store
// directory: its life cycle, the lock of the store, the guard of its disk's
// capacity, and the detection of events that were lost since the last run.
package embedded

import (
	"cmp"
	"context"
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
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/rosey-bot/rosey/streams/connect"
)

// ErrStoreInUse is wrapped by Start when another process holds the store.
var ErrStoreInUse = errors.New("the store is in use")

// Config holds the settings of a Server.
type Config struct {
	Store       string        // directory that holds streams, buckets and credentials
	Listen      string        // address to listen on; "" serves in-process connections only
	SyncAlways  bool          // fsync each write before it is acknowledged
	Reserve     int64         // bytes of the store's disk that stay free; 0 is DefaultReserve
	MaxStore    int64         // bytes that the store may hold; 0 is no limit but the disk
	Holder      string        // name of this process in the error that another one gets from Start
	LockTimeout time.Duration // wait this long for a store that a process with another Holder uses
	Logger      *slog.Logger  // gets the server's warnings and errors; nil discards
}

// Server is a NATS server with JetStream on a store directory that no other server
// uses at the same time.
type Server struct {
	ns    *server.Server
	store string
	log   *slog.Logger
	info  connect.ServerInfo
	lock  *flock.Flock
	own   *nats.Conn // for its own requests and subscriptions
	js    jetstream.JetStream

	auth      *authenticator
	serverLog *serverLog
	guard     *diskGuard
	held      map[string]holding // when the inventory was written last
	began     time.Time
	stopWatch func() // of the capacity and the inventory
}

// recoveryTimeout is how long a store may take to recover its streams.
const recoveryTimeout = 2 * time.Minute

// Start locks the store, creating it if need be, and starts a server on it. The
// error wraps ErrStoreInUse, and names the holder, when another process has the
// store.
func Start(c Config) (*Server, error) {
	if err := os.MkdirAll(c.Store, 0o700); err != nil {
		return nil, fmt.Errorf("create the store: %w (choose another directory)", err)
	}
	lock, unclean, err := lockStore(c)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, store: c.Store, began: time.Now(), log: cmp.Or(c.Logger, slog.New(slog.DiscardHandler))}
	if err := s.start(c, unclean); err != nil {
		if !unclean {
			err = errors.Join(err, removeHolder(c.Store))
		}
		lock.Unlock()
		return nil, err
	}
	return s, nil
}

// start starts the server; unclean says that the last one on the store was killed.
func (s *Server) start(c Config, unclean bool) error {
	before, err := connect.ReadServerInfo(s.store)
	if err != nil {
		return err
	}
	s.info = before
	if s.info.Password == "" {
		s.info.User, s.info.Password = "rosey", nuid.Next()+nuid.Next()
	}
	if unclean {
		s.finishErasures()
	}
	if c.Listen != "" { // else it is for a command that only reads
		s.compressHistory()
	}
	if err := s.run(c, before.URL); err != nil {
		return err
	}
	if err := s.prepare(unclean); err != nil {
		s.shutDown()
		return err
	}
	file := before
	if file.PID, s.info.PID, s.info.URL = 0, 0, ""; c.Listen != "" {
		s.info.PID, s.info.URL = os.Getpid(), s.ns.ClientURL()
		file = s.info
	}
	if file != before { // also if that was of a server that was killed
		err = connect.WriteStoreFile(connect.ServerInfoPath(s.store), file)
	}
	if err != nil {
		s.shutDown()
	}
	return err
}

// run starts nats-server and returns when it is ready for connections.
func (s *Server) run(c Config, lastURL string) error {
	s.auth = &authenticator{store: s.store, owner: s.info, accounts: map[string]*server.Account{}, users: map[uint64]string{}}
	opts := &server.Options{
		ServerName: "rosey",
		JetStream:  true,
		StoreDir:   s.store,

		JetStreamMaxStore: unlimited,
		SyncAlways:        c.SyncAlways,
		DontListen:        c.Listen == "",
		NoSigs:            true,

		AuthTimeout:                connect.HandshakeTimeout.Seconds(),
		CustomClientAuthentication: s.auth,
		AlwaysEnableNonce:          true, // the challenge that the owner of a key signs
	}
	var err error
	if c.Listen != "" {
		if opts.Host, opts.Port, err = listenAddress(c.Listen, lastURL); err != nil {
			return err
		}
	}
	if s.ns, err = server.NewServer(opts); err != nil {
		return fmt.Errorf("configure the NATS server: %w", err)
	}
	s.auth.ns = s.ns
	s.guard = newDiskGuard(s.ns, c, s.log)
	s.serverLog = &serverLog{log: s.log, onError: s.guard.serverError}
	s.ns.SetLoggerV2(s.serverLog, false, false, false)
	s.ns.Start()
	if !s.ns.ReadyForConnections(recoveryTimeout) {
		s.shutDown()
		return fmt.Errorf("the NATS server did not start within %s: see the log above", recoveryTimeout)
	}
	return nil
}

// prepare limits what may be stored, checks what the store holds, and starts what
// the server does besides.
func (s *Server) prepare(unclean bool) (err error) {
	s.guard.check()
	if s.own, err = s.Connect(nats.Name("rosey server")); err != nil {
		return err
	}
	if err := s.enforceCredentials(); err != nil {
		return err
	}
	if s.js, err = jetstream.New(s.own); err != nil {
		return err
	}
	if err := s.check(unclean); err != nil {
		return err
	}
	s.guard.nc = s.own
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { s.guard.watch(ctx) })
	watching.Go(func() { s.watchInventory(ctx) })
	s.stopWatch = func() { cancel(); watching.Wait() }
	return nil
}

func (s *Server) shutDown() {
	if s.stopWatch != nil {
		s.stopWatch()
	}
	if s.own != nil {
		closed := make(chan struct{})
		s.own.SetClosedHandler(func(*nats.Conn) { close(closed) })
		s.own.Close()
		<-closed
	}
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}

// listenAddress splits an address and checks that it is free: nats-server reports a
// taken port only by never becoming ready. Port 0 becomes that of lastURL, the URL
// of the store's last server, if it is free.
func listenAddress(address, lastURL string) (host string, port int, err error) {
	if host, p, err := net.SplitHostPort(address); err == nil && p == "0" {
		if u, err := url.Parse(lastURL); err == nil && u.Hostname() == host && u.Port() != "" {
			if host, port, err := listenAddress(u.Host, ""); err == nil {
				return host, port, nil
			}
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", 0, fmt.Errorf("listen on %s: %w (choose another listen address, or 127.0.0.1:0 for any free port)", address, err)
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
func (s *Server) Info() connect.ServerInfo { return s.info }

// Full returns an error that wraps jsapi.ErrFull and says what to do while the
// store has no capacity for new events, and nil otherwise.
func (s *Server) Full() error { return s.guard.Full() }

// Connect opens an in-process connection, which skips the network.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	opts = append([]nats.Option{nats.InProcessServer(s), nats.UserInfo(s.info.User, s.info.Password), nats.Timeout(connect.HandshakeTimeout)}, opts...)
	nc, err := nats.Connect("", opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	return nc, nil
}

// Stop shuts the server down, waits until everything is on disk, and unlocks the
// store.
func (s *Server) Stop() error {
	s.stopWatch()
	err := s.updateInventory()
	s.shutDown()
	if info := s.info; info.PID != 0 {
		info.PID = 0
		err = errors.Join(err, connect.WriteStoreFile(connect.ServerInfoPath(s.store), info))
	}
	return errors.Join(err, removeHolder(s.store), s.lock.Unlock())
}

// IsStore reports whether a directory holds a store; Start makes one where there is none.
// The error is a *connect.DeniedError if this user may not look.
func IsStore(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, server.JetStreamStoreDir))
	if errors.Is(err, fs.ErrPermission) {
		return false, connect.Denied(err)
	}
	return err == nil, nil
}
