package connect_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/connect"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// authority signs certificates, and has written its own to a file.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	a.file = a.write(name+".pem", "CERTIFICATE", raw)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) write(name, kind string, raw []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// sign makes a certificate for 127.0.0.1 and gives the files.
func (a *authority) sign(name string) (cert, key string) {
	a.t.Helper()
	k := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", raw), a.write(name+".key", "PRIVATE KEY", rawKey)
}

// serve runs an ordinary NATS server with JetStream.
func serve(t *testing.T, o *server.Options) (url string) {
	t.Helper()
	o.JetStream, o.StoreDir = true, t.TempDir()
	return streamstest.Standalone(t, o).ClientURL()
}

// A server's certificate is checked, and a client's shown, with files given
// directly or by a context of the NATS CLI.
func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	cert, key := ours.sign("server")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	plain := serve(t, &server.Options{TLS: true, TLSConfig: config, TLSTimeout: 10})
	mutual := config.Clone()
	mutual.ClientAuth = tls.RequireAndVerifyClientCert
	strict := serve(t, &server.Options{TLS: true, TLSVerify: true, TLSConfig: mutual, TLSTimeout: 10})
	clientCert, clientKey := ours.sign("client")
	strangerCert, strangerKey := theirs.sign("stranger")
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	context := func(name string, settings map[string]string) string {
		dir := filepath.Join(home, "nats", "context")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, c := range []struct {
		name   string
		remote connect.Remote
		err    string // a pattern; "" when it works
	}{
		{"TLS", connect.Remote{URL: plain, TLS: connect.TLS{CA: ours.file}}, ""},
		{"TLS, unknown authority", connect.Remote{URL: plain}, "certificate signed by unknown authority"},
		{"TLS, another authority", connect.Remote{URL: plain, TLS: connect.TLS{CA: theirs.file}}, "certificate signed by unknown authority"},
		{"TLS, no such file", connect.Remote{URL: plain, TLS: connect.TLS{CA: "missing.pem"}}, "missing.pem"},
		{"TLS, context", connect.Remote{Context: context("plain", map[string]string{"url": plain, "ca": ours.file})}, ""},
		{"mTLS", connect.Remote{URL: strict, TLS: connect.TLS{CA: ours.file, Cert: clientCert, Key: clientKey}}, ""},
		{"mTLS, no certificate", connect.Remote{URL: strict, TLS: connect.TLS{CA: ours.file}}, "certificate required"},
		{"mTLS, a stranger's", connect.Remote{URL: strict, TLS: connect.TLS{CA: ours.file, Cert: strangerCert, Key: strangerKey}}, "tls( error|: )"},
		{"mTLS, context", connect.Remote{Context: context("strict", map[string]string{"url": strict, "ca": ours.file, "cert": clientCert, "key": clientKey})}, ""},
		{"no such context", connect.Remote{Context: "missing"}, "context missing"},
	} {
		t.Run(c.name, func(t *testing.T) { dials(t, c.remote, c.err) })
	}
}

// dials connects, and where that is to work stores an event.
func dials(t *testing.T, r connect.Remote, want string) {
	t.Helper()
	nc, err := connect.Dial(r)
	if err == nil {
		defer nc.Close()
	}
	switch {
	case want == "" && err != nil:
		t.Fatal(err)
	case want == "":
	case err == nil:
		t.Fatalf("it connected, want an error with %q", want)
	case !regexp.MustCompile(want).MatchString(err.Error()) || !strings.Contains(err.Error(), "TLS file"):
		t.Fatalf("%v, want an error with %q and what to do", err, want)
	default:
		return
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := streamstest.Context(t)
	if err := streams.Open(ctx, js, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	e, err := event.New(event.SubjectSendChat, event.SendChat{Message: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := streams.NewBus(nc, js).Publish(ctx, e); err != nil {
		t.Fatal(err)
	}
}

// A server that knows its users by credentials takes a file of them, given
// directly or by a context.
func TestCredentials(t *testing.T) {
	url, creds := operatedServer(t)
	writeContext(t, "known", map[string]string{"url": url, "creds": creds})
	for _, c := range []struct {
		name   string
		remote connect.Remote
		err    string
	}{
		{"file", connect.Remote{URL: url, Credentials: creds}, ""},
		{"context", connect.Remote{Context: "known"}, ""},
		{"none", connect.Remote{URL: url}, "Authorization"},
		{"no such file", connect.Remote{URL: url, Credentials: "missing.creds"}, "missing.creds"},
	} {
		t.Run(c.name, func(t *testing.T) { dials(t, c.remote, c.err) })
	}
}

// operatedServer starts a server whose accounts an operator signs, and returns its URL
// and the path of a user's credentials.
func operatedServer(t *testing.T) (url, creds string) {
	t.Helper()
	operator, account, user := newSeed(t, nkeys.CreateOperator), newSeed(t, nkeys.CreateAccount), newSeed(t, nkeys.CreateUser)
	oc := jwt.NewOperatorClaims(public(t, operator))
	ac := jwt.NewAccountClaims(public(t, account))
	ac.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
	ac.Limits.JetStreamTieredLimits = nil
	accountToken, err := ac.Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oc.Encode(operator); err != nil {
		t.Fatal(err)
	}
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(public(t, account), accountToken); err != nil {
		t.Fatal(err)
	}
	system := newSeed(t, nkeys.CreateAccount)
	systemToken, err := jwt.NewAccountClaims(public(t, system)).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	if err := resolver.Store(public(t, system), systemToken); err != nil {
		t.Fatal(err)
	}
	url = serve(t, &server.Options{TrustedOperators: []*jwt.OperatorClaims{oc}, AccountResolver: resolver, SystemAccount: public(t, system)})
	token, err := jwt.NewUserClaims(public(t, user)).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	creds = filepath.Join(t.TempDir(), "rosey.creds")
	if err := os.WriteFile(creds, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return url, creds
}

// writeContext writes a context of the NATS CLI.
func writeContext(t *testing.T, name string, settings map[string]string) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	if err := os.MkdirAll(filepath.Join(home, "nats", "context"), 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "nats", "context", name+".json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func newSeed(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func public(t *testing.T, pair nkeys.KeyPair) string {
	t.Helper()
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
