package crashtest

import (
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

// ServeNATS runs the NATS server that a configuration file describes, until it is killed. Call it in a process of its own.
func ServeNATS(config string) error {
	options, err := server.ProcessConfigFile(config)
	if err != nil {
		return fmt.Errorf("configure the NATS server: %w", err)
	}
	ns, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("configure the NATS server: %w", err)
	}
	ns.ConfigureLogger()
	ns.Start()
	ns.WaitForShutdown()
	return nil
}
