package crashtest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ServeNATS is an ordinary NATS server with JetStream, at an address and on a
// directory, until ctx ends. It is to be the work of a process of its own, which
// can be killed.
func ServeNATS(ctx context.Context, address, store string) error {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	ns, err := server.NewServer(&server.Options{
		ServerName: "crash", Host: host, Port: port, JetStream: true, StoreDir: store, NoSigs: true,
	})
	if err != nil {
		return fmt.Errorf("configure the NATS server: %w", err)
	}
	ns.ConfigureLogger()
	ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	if !ns.ReadyForConnections(time.Minute) {
		return fmt.Errorf("the NATS server did not become ready on %s: is the port taken?", address)
	}
	<-ctx.Done()
	return nil
}
