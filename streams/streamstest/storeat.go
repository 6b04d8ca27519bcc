package streamstest

import (
	"testing"
	"time"
	"unsafe" // for go:linkname

	"github.com/nats-io/nats-server/v2/server"
)

// StoreAt stores a message in a stream of a server alone, as if the server's clock had
// shown at.
func StoreAt(t testing.TB, s *server.Server, stream, subject, body string, at time.Time) {
	t.Helper()
	found, err := lookupStream(s.GlobalAccount(), stream)
	if err != nil {
		t.Fatal(err)
	}
	store := streamStore(found)
	if err := store.StoreRawMsg(subject, nil, []byte(body), store.State().LastSeq+1, at.UnixNano(), 0, false); err != nil {
		t.Fatal(err)
	}
}

// Nothing that nats-server exports stores a message with another time than its clock's.
//
//go:linkname lookupStream github.com/nats-io/nats-server/v2/server.(*Account).lookupStream
func lookupStream(a *server.Account, name string) (unsafe.Pointer, error)

//go:linkname streamStore github.com/nats-io/nats-server/v2/server.(*stream).Store
func streamStore(stream unsafe.Pointer) server.StreamStore
