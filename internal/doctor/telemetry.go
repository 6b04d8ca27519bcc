package doctor

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/internal/version"
	"github.com/rosey-bot/rosey/telemetry"
)

// dialTimeout limits how long a collector has to accept a connection.
const dialTimeout = 2 * time.Second

// checkTelemetry checks OpenTelemetry's variables, and whether a collector accepts connections.
func (c *checkup) checkTelemetry(ctx context.Context) {
	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: "rosey-doctor", Version: version.String(), Logger: c.log, Console: io.Discard})
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			c.fail("correct the variable, or unset it", "%s", line)
		}
		return
	}
	defer func() { _ = tel.Shutdown(context.WithoutCancel(ctx)) }()
	if len(tel.Targets) == 0 {
		c.ok("tracing is off, as no OTEL_EXPORTER_OTLP_ENDPOINT is set")
	}
	for _, target := range tel.Targets {
		address, _, _ := strings.Cut(target, " ")
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			c.ok("spans go to %s", target)
			continue
		}
		port := u.Port()
		if port == "" {
			port = u.Scheme
		}
		conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			c.warn("start the collector, or correct the variable", "spans go to %s, which does not answer: they are lost meanwhile", target)
			continue
		}
		conn.Close()
		c.ok("spans go to %s", target)
	}
}
