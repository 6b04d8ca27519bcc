package streams

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Lost waits until a connection is closed for good, as when its credentials are no
// longer accepted, and returns why; nil when ctx ends before.
func Lost(ctx context.Context, nc *nats.Conn) error {
	closed := nc.StatusChanged(nats.CLOSED)
	defer nc.RemoveStatusListener(closed)
	if nc.IsClosed() {
		return lost(nc)
	}
	select {
	case <-closed:
		return lost(nc)
	case <-ctx.Done():
		return nil
	}
}

func lost(nc *nats.Conn) error {
	if err := nc.LastError(); err != nil {
		return fmt.Errorf("the connection to NATS is closed: %w (were the credentials revoked or replaced?)", err)
	}
	return nats.ErrConnectionClosed
}
