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

	"golang.org/x/net/http/httpguts"
)

// getenv returns the first of the variables that is set. One that holds nothing but
// spaces counts as unset, as OpenTelemetry's specification asks.
func getenv(names ...string) (value string) {
	for _, name := range names {
		if value = strings.TrimSpace(os.Getenv(name)); value != "" {
			break
		}
	}
	return value
}

// checks are the variables that OpenTelemetry's SDK ignores where it cannot read them.
// OTLP_* stands for OTEL_EXPORTER_OTLP_* and OTEL_EXPORTER_OTLP_TRACES_*.
var checks = map[string]func(string) error{
	"OTLP_ENDPOINT":                          checkEndpoint,
	"OTLP_PROTOCOL":                          oneOf(protocolGRPC, protocolHTTP, protocolJSON),
	"OTLP_HEADERS":                           checkPairs,
	"OTLP_TIMEOUT":                           atLeast(1),
	"OTLP_COMPRESSION":                       oneOf("gzip", "none"),
	"OTLP_INSECURE":                          oneOf("true", "false"),
	"OTLP_CERTIFICATE":                       checkCertificate,
	"OTEL_TRACES_SAMPLER":                    oneOf(samplers...),
	"OTEL_RESOURCE_ATTRIBUTES":               checkPairs,
	"OTEL_BSP_MAX_QUEUE_SIZE":                atLeast(1),
	"OTEL_BSP_MAX_EXPORT_BATCH_SIZE":         atLeast(1),
	"OTEL_BSP_SCHEDULE_DELAY":                atLeast(1),
	"OTEL_BSP_EXPORT_TIMEOUT":                atLeast(1),
	"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": atLeast(0),
	"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT":        atLeast(0),
	"OTEL_SPAN_EVENT_COUNT_LIMIT":            atLeast(0),
	"OTEL_SPAN_LINK_COUNT_LIMIT":             atLeast(0),
	"OTEL_SDK_DISABLED":                      oneOf("true", "false"),
}

// checkEnvironment returns an error that names every variable with a bad value, without
// the values that may be secrets.
func checkEnvironment() error {
	var errs []error
	check := func(name string, check func(string) error) {
		if v := getenv(name); v != "" {
			if err := check(v); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	for name, f := range checks {
		if otlp, ok := strings.CutPrefix(name, "OTLP_"); ok {
			name = "OTEL_EXPORTER_OTLP_" + otlp
			check("OTEL_EXPORTER_OTLP_TRACES_"+otlp, f)
		}
		check(name, f)
	}
	if strings.HasSuffix(samplerName(), "traceidratio") {
		check(samplerArg, checkRatio)
	}
	errs = append(errs, checkClientCertificate())
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return errors.Join(errs...)
}

func oneOf(allowed ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(allowed, strings.ToLower(v)) {
			return fmt.Errorf("%q is not one of %s", v, strings.Join(allowed, ", "))
		}
		return nil
	}
}

func atLeast(least int) func(string) error {
	return func(v string) error {
		if n, err := strconv.Atoi(v); err != nil || n < least {
			return fmt.Errorf("%q is not a whole number of at least %d", v, least)
		}
		return nil
	}
}

func checkRatio(v string) error {
	if r, err := strconv.ParseFloat(v, 64); err != nil || !(r >= 0 && r <= 1) {
		return fmt.Errorf("%q is not a share from 0 to 1, for example 0.25", v)
	}
	return nil
}

func checkEndpoint(v string) error {
	if strings.Contains(v, "@") { // not shown, as it may hold a password
		return errors.New("a collector's URL holds no user and password: put them into OTEL_EXPORTER_OTLP_HEADERS, as authorization=Basic%20…")
	}
	if u, err := url.Parse(v); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not the URL of a collector: write for example http://localhost:4317 for gRPC or http://localhost:4318 for HTTP", v)
	}
	return nil
}

// checkPairs checks key=value,key=value with percent-encoded values.
func checkPairs(v string) error {
	for i, pair := range strings.Split(v, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if key = strings.TrimSpace(key); !ok {
			return fmt.Errorf("entry %d has no '=': write key=value,key=value", i+1)
		}
		if !httpguts.ValidHeaderFieldName(key) {
			return fmt.Errorf("entry %d has a key that is empty or has a character that keys may not have", i+1)
		}
		if _, err := url.PathUnescape(strings.TrimSpace(value)); err != nil {
			return fmt.Errorf("the value of %s is not percent-encoded: write %%25 for a percent sign", key)
		}
	}
	return nil
}

func checkCertificate(file string) error {
	pem, err := os.ReadFile(file)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		err = fmt.Errorf("%s holds no PEM certificate", file)
	}
	return err
}

func checkClientCertificate() error {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"} {
		cert, key := prefix+"CLIENT_CERTIFICATE", prefix+"CLIENT_KEY"
		if (getenv(cert) == "") != (getenv(key) == "") {
			return fmt.Errorf("%s and %s are a pair: set both or none", cert, key)
		}
		if _, err := tls.LoadX509KeyPair(getenv(cert), getenv(key)); getenv(cert) != "" && err != nil {
			return fmt.Errorf("%s: %w", cert, err)
		}
	}
	return nil
}
