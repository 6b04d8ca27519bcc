package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/rosey-bot/rosey/internal/timeparse"
)

// Size is a number of bytes.
type Size int64

// UnmarshalText reads 500MB, 10GiB or plain bytes.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%q is not a size: write for example 500MB or 10GiB", text)
	}
	*s = Size(n)
	return nil
}

// Flags returns the fields that flags of the same meaning set, by the flag's name.
func (s *Settings) Flags() map[string]any {
	return map[string]any{
		"site": &s.Site, "channel": &s.Channel.Name, "channel-password-file": &s.ChannelPasswordFile, "user": &s.User, "password-file": &s.PasswordFile,
		"prefix": &s.Prefix, "heartbeat": &s.Heartbeat, "store": &s.Store, "listen": &s.Listen,
		"sync-always": &s.SyncAlways, "nats": &s.NATS, "context": &s.Context, "creds": &s.Creds, "replicas": &s.Replicas,
		"metrics": &s.Metrics, "console": &s.Console, "console-password-file": &s.ConsoleAccess.PasswordFile,
		"console-viewer-password-file": &s.ConsoleAccess.ViewerPasswordFile, "trace-url": &s.TraceURL,
		"log-level": &s.LogLevel, "log-format": &s.LogFormat, "plugins": &s.Plugins,
		"lease-term": &s.LeaseTerm, "tlsca": &s.TLSCA, "tlscert": &s.TLSCert, "tlskey": &s.TLSKey,
	}
}

// Set sets the field of a flag from a text.
func (s *Settings) Set(flag, text string) (err error) {
	switch field := s.Flags()[flag].(type) {
	case *string:
		*field = text
	case *bool:
		*field, err = strconv.ParseBool(text)
	case *int:
		*field, err = strconv.Atoi(text)
	case *Plugins:
		*field = field.only(strings.Split(text, ","))
	case *time.Duration:
		*field, err = timeparse.Duration(text)
	default:
		return fmt.Errorf("no setting has the flag --%s", flag)
	}
	if err != nil {
		return Errorf("--%s: %w", flag, err)
	}
	return nil
}
