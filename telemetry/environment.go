package telemetry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// environment reads OpenTelemetry's variables. OpenTelemetry itself passes over
// what it cannot read; an operator who mistyped a variable is better served by
// an error that names it, so every reader here notes one, and err has them all.
type environment struct {
	get  func(string) string
	errs []error
}

func (e *environment) err() error { return errors.Join(e.errs...) }

func (e *environment) invalid(name, format string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
}

// first is the first of the variables that is set, and its value. A variable
// that holds nothing but spaces counts as unset, as the specification asks.
func (e *environment) first(names ...string) (name, value string) {
	for _, name := range names {
		if v := strings.TrimSpace(e.get(name)); v != "" {
			return name, v
		}
	}
	return "", ""
}

func (e *environment) choice(fallback string, allowed []string, names ...string) string {
	name, v := e.first(names...)
	if name == "" {
		return fallback
	}
	if v = strings.ToLower(v); !slices.Contains(allowed, v) {
		e.invalid(name, "%q is not one of %s", v, strings.Join(allowed, ", "))
		return fallback
	}
	return v
}

func (e *environment) boolean(name string) bool {
	return e.choice("false", []string{"true", "false"}, name) == "true"
}

func (e *environment) integer(fallback, least int, names ...string) int {
	name, v := e.first(names...)
	if name == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least {
		e.invalid(name, "%q is not a whole number of at least %d", v, least)
		return fallback
	}
	return n
}

func (e *environment) milliseconds(fallback time.Duration, names ...string) time.Duration {
	return time.Duration(e.integer(int(fallback.Milliseconds()), 1, names...)) * time.Millisecond
}

// pairs reads key=value,key=value with percent-encoded values. Values may be
// secrets, so the errors show none.
func (e *environment) pairs(names ...string) map[string]string {
	name, list := e.first(names...)
	found := map[string]string{}
	if name == "" {
		return found
	}
	for i, pair := range strings.Split(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, encoded, ok := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		value, err := url.PathUnescape(strings.TrimSpace(encoded))
		switch {
		case !ok:
			e.invalid(name, "entry %d has no '=': write key=value,key=value", i+1)
		case !isToken(key):
			e.invalid(name, "entry %d has a key that is empty or has a character that keys may not have", i+1)
		case err != nil:
			e.invalid(name, "the value of %s is not percent-encoded: write %%25 for a percent sign", key)
		default:
			found[key] = value
		}
	}
	return found
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// tls reads the certificates of an https collector.
func (e *environment) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if name, file := e.first("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"); name != "" {
		pem, err := os.ReadFile(file)
		c.RootCAs = x509.NewCertPool()
		switch {
		case err != nil:
			e.invalid(name, "%w", err)
		case !c.RootCAs.AppendCertsFromPEM(pem):
			e.invalid(name, "%s holds no PEM certificate", file)
		}
	}
	certName, cert := e.first("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
	keyName, key := e.first("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY")
	switch {
	case certName == "" && keyName == "":
	case keyName == "":
		e.invalid(certName, "a client certificate needs OTEL_EXPORTER_OTLP_CLIENT_KEY too")
	case certName == "":
		e.invalid(keyName, "a client key needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE too")
	default:
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			e.invalid(certName, "%w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}
