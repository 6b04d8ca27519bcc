package embedded_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/embedded"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestStoreIsHeldByOneServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := connect.Find(dir); !errors.Is(err, connect.ErrNotRunning) {
		t.Errorf("on an empty store Find returned %v", err)
	}
	s, err := embedded.Start(embedded.Config{Store: dir, Listen: "127.0.0.1:0", Holder: "rosey run"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = embedded.Start(embedded.Config{Store: dir})
	if !errors.Is(err, embedded.ErrStoreInUse) || !strings.Contains(err.Error(), fmt.Sprintf("rosey run (pid %d", os.Getpid())) {
		t.Errorf("second server: %v", err)
	}
	info, err := connect.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := connect.Dial(connect.Remote{URL: info.URL, User: info.User, Password: info.Password})
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if mode, err := os.Stat(filepath.Join(dir, "server.json")); err != nil || mode.Mode().Perm() != 0o600 {
		t.Errorf("server.json: %v, %v", mode, err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := connect.Find(dir); !errors.Is(err, connect.ErrNotRunning) {
		t.Errorf("after Stop, Find returned %v", err)
	}
}

// A command that opens the store of a bot that was killed leaves no hint that a
// server listens there, and the next bot is where the killed one was.
func TestKilledServersNote(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := embedded.Start(embedded.Config{Store: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	note, err := os.ReadFile(filepath.Join(dir, "server.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "server.json"), note, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := embedded.Start(embedded.Config{Store: dir})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := connect.Find(dir); !errors.Is(err, connect.ErrNotRunning) {
		t.Errorf("while a command has the store, Find returned %+v, %v", info, err)
	}
	if err := reader.Stop(); err != nil {
		t.Fatal(err)
	}
	next, err := embedded.Start(embedded.Config{Store: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Stop()
	if next.Info() != s.Info() {
		t.Errorf("the next server is %+v, the killed one was %+v", next.Info(), s.Info())
	}
}

func TestTakenPortIsSaidClearly(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = embedded.Start(embedded.Config{Store: t.TempDir(), Listen: l.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "choose another listen address") {
		t.Errorf("error %v, want one that says what to do", err)
	}
}

func TestMain(m *testing.M) { streamstest.Main(m) }
