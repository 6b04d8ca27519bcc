package settings

import (
	"cmp"
	"net"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube"
)

// minLeaseTerm keeps a bot that is only slow from losing its channels.
const minLeaseTerm = 2 * time.Second

// Check returns an Error for the first setting that no bot could run with.
func (s *Settings) Check() error {
	return cmp.Or(s.Channel.check(), s.checkValues(), s.checkServer(), s.checkAddresses(), s.checkChannels())
}

func (s *Settings) checkValues() error {
	switch {
	case s.Store == "":
		return Errorf("the store has no name, as there is no home directory (HOME is not set): name a directory with --store")
	case s.Heartbeat <= 0:
		return Errorf("the heartbeat must be longer than 0: 60s is usual")
	case s.RequestTimeout <= 0:
		return Errorf("request_timeout must be longer than 0: 5s is usual")
	case s.StoreReserve < 1<<20:
		return Errorf("store_reserve must be 1MiB or more: what the bot has begun needs room to be finished")
	case s.StoreMax != 0 && s.StoreMax < 10<<20:
		return Errorf("store_max must be 10MiB or more, or left out")
	case !(s.JoinsPerSecond > 0):
		return Errorf("joins_per_second must be above 0: %g is usual", cytube.DefaultJoinsPerSecond)
	case s.TraceURL != "" && (!strings.HasPrefix(s.TraceURL, "http") || !strings.Contains(s.TraceURL, "{id}")):
		return Errorf("trace_url must be an address with {id} in it, such as http://localhost:16686/trace/{id}")
	}
	for stream, r := range s.Retention {
		if _, err := r.acceptLoss(); err != nil {
			return Errorf("retention.%s.accept_loss must be a day, such as 2026-11-29, not %q", stream, r.AcceptLoss)
		}
	}
	return nil
}

func (s *Settings) checkServer() error {
	switch {
	case s.Replicas < 1 || s.Replicas > 5:
		return Errorf("replicas must be 1 to 5, not %d", s.Replicas)
	case s.Replicas > 1 && !s.External():
		return Errorf("replicas: %d needs an external NATS cluster: give its --nats URL", s.Replicas)
	case s.LeaseTerm < minLeaseTerm:
		return Errorf("lease_term must be %s or more, not %s: a bot that is only slow would lose its channels", minLeaseTerm, s.LeaseTerm)
	case (s.TLSCert == "") != (s.TLSKey == ""):
		return Errorf("--tlscert and --tlskey go together: give both")
	case s.TLSCA+s.TLSCert != "" && s.NATS == "":
		return Errorf("--tlsca, --tlscert and --tlskey are for an external server: give its --nats URL (a --context names its own files)")
	case s.NATS != "" && s.Context != "":
		return Errorf("--nats and --context both name a server: give one of them")
	}
	return nil
}

func (s *Settings) checkAddresses() error {
	for name, address := range map[string]string{"listen": s.Listen, "metrics": s.Metrics, "console": s.Console} {
		if address == "" || name == "console" && address == ConsoleOff {
			continue
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			return Errorf("%s: %w: write HOST:PORT, for example 127.0.0.1:8484", name, err)
		}
	}
	return nil
}
