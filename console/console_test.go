package console

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// served is a console that answers, and what it is made of.
type served struct {
	t   *testing.T
	bus *streams.Bus
	url string

	mu   sync.Mutex
	said []string
	stop func()
}

func serve(t *testing.T, access Access) *served {
	t.Helper()
	return serveWith(t, func(cfg *Config) { cfg.Access = access })
}

// serveWith serves a console whose configuration is changed.
func serveWith(t *testing.T, change func(*Config)) *served {
	t.Helper()
	s := &served{t: t, bus: streamstest.Bus(t, streamstest.Server(t))}
	store, err := kvstore.NewStore(s.bus.JetStream())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	cfg := Config{
		Address: "127.0.0.1:0", Bus: s.bus, Store: store, Channels: []Channel{channel("lounge"), channel("attic")}, Logger: slog.New(slog.DiscardHandler),
		SendChat: func(_ context.Context, text string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.said = append(s.said, text)
			return nil
		},
	}
	change(&cfg)
	c, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.url = strings.TrimSuffix(c.URL(), "/")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

func channel(name string) Channel {
	return Channel{
		Name: name, Prefix: "!", IsBot: func(user string) bool { return user == "rosey" }, Users: func() []User { return []User{{Name: "alice in the " + name, Rank: 2}} },
		Problem: func() string { return "" },
	}
}

// client is a browser without scripts.
func (s *served) client() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	transport := &http.Transport{}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ask makes a request with headers as NAME: VALUE, and Host.
func (s *served) ask(c *http.Client, method, path string, form url.Values, headers ...string) (int, string, http.Header) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(streamstest.Context(s.t), method, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	resp, err := c.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

var csrfOf = regexp.MustCompile(`data-csrf="([^"]+)"`)

func (s *served) token(c *http.Client, headers ...string) string {
	s.t.Helper()
	status, body, _ := s.ask(c, "GET", "/", nil, headers...)
	m := csrfOf.FindStringSubmatch(body)
	if m == nil {
		s.t.Fatalf("status %d, no token in\n%s", status, body)
	}
	return m[1]
}

func (s *served) chat(user, message string) event.Ref {
	s.t.Helper()
	e, err := event.New(event.SubjectChat, event.Chat{User: user, Message: message, Channel: "lounge", Rank: 1, Time: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	ack, err := s.bus.Publish(streamstest.Context(s.t), e)
	if err != nil {
		s.t.Fatal(err)
	}
	return ack.Ref
}

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	bus := streamstest.Bus(t, streamstest.Server(t))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct {
		name, address, want string
		access              Access
	}{
		{"everybody on an open address", "0.0.0.0:0", "others could use it too", Access{}},
		{"everybody on an open IPv6 address", "[::]:0", "others could use it too", Access{}},
		{"no port", "127.0.0.1", "write HOST:PORT", Access{}},
		{"an address that is taken", taken.Addr().String(), "address already in use", Access{}},
		{"a broken hash", "127.0.0.1:0", "no argon2id hash", Access{Password: "$argon2id$v=19$m=1"}},
		{"a hash that takes all memory", "127.0.0.1:0", "out of bounds", Access{Password: "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdHNhbHQ"}},
		{"a proxy from anywhere", "0.0.0.0:0", "from which addresses", Access{Proxy: Proxy{Header: "X-User"}}},
	} {
		c, err := Listen(Config{Address: test.address, Access: test.access, Bus: bus, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	c, err := Listen(Config{Address: "0.0.0.0:0", Access: Access{Password: cheapHash("secret")}, Bus: bus, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("with a password: %v", err)
	}
	c.Close()
}

// sse is a stream of events that a test reads.
type sse struct {
	t    *testing.T
	resp *http.Response
	r    *bufio.Reader
}

func (s *served) listen(c *http.Client, path string, headers ...string) *sse {
	s.t.Helper()
	req, err := http.NewRequestWithContext(streamstest.Context(s.t), "GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := c.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	return &sse{s.t, resp, bufio.NewReader(resp.Body)}
}

// next is the next event of a kind: its ID and data.
func (e *sse) next(kind string) (id, data string) {
	e.t.Helper()
	name := ""
	for {
		line, err := e.r.ReadString('\n')
		if err != nil {
			e.t.Fatalf("waiting for %s: %v", kind, err)
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data += value + "\n"
		case "":
			if name == kind {
				return id, data
			}
			name, id, data = "", "", ""
		}
	}
}

// A page that comes back is sent exactly what it missed.
func TestLiveResumes(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{})
	c := s.client()
	s.chat("alice", "before")
	page := s.listen(c, "/events?after=1")
	s.chat("alice", "<b>bold</b>\x1b[31m")
	id, html := page.next("line")
	if id != "2" || !strings.Contains(html, "&lt;b&gt;bold&lt;/b&gt;") || strings.ContainsRune(html, '\x1b') {
		t.Errorf("event %s is\n%s", id, html)
	}
	page.resp.Body.Close()
	for i := range 20 {
		s.chat("bob", fmt.Sprint("missed ", i))
	}
	page = s.listen(c, "/events?after=1", "Last-Event-ID: 2")
	for i := range 20 {
		id, html := page.next("line")
		if id != fmt.Sprint(i+3) || !strings.Contains(html, fmt.Sprint("missed ", i)) {
			t.Fatalf("event %s is\n%s", id, html)
		}
	}
	other := s.listen(c, "/events?after=1000")
	other.next("reset")
}

// Live updates do not keep the bot from stopping.
func TestStopEndsUpdates(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{})
	live, part := s.listen(s.client(), "/events?after=0"), s.listen(s.client(), "/streams/events")
	live.next("hello")
	part.next("part")
	began := time.Now()
	s.stop()
	for _, e := range []*sse{live, part} {
		if _, err := io.Copy(io.Discard, e.r); err != nil {
			t.Logf("the stream ended with %v", err)
		}
	}
	t.Logf("stopped after %s", time.Since(began))
}

// A browser that does not read holds up nothing but itself.
func TestSlowBrowser(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "publishes megabytes")
	s := serve(t, Access{})
	slow := s.listen(s.client(), "/events?after=0")
	slow.next("hello")
	quick := s.listen(s.client(), "/events?after=0")
	text := strings.Repeat("word ", 2000)
	const n = 300 // some megabytes, more than a socket holds
	for range n {
		s.chat("alice", text)
	}
	for i := range n {
		if id, _ := quick.next("line"); id != fmt.Sprint(i+1) {
			t.Fatalf("event %s instead of %d", id, i+1)
		}
	}
}

func TestChannels(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{})
	client := s.client()
	s.chat("bob", "said in the lounge")
	for path, want := range map[string]bool{"/": true, "/?channel=Lounge": true, "/?channel=attic": false, "/history?channel=attic": false, "/history/rows?channel=lounge": true} {
		if _, body, _ := s.ask(client, "GET", path, nil); strings.Contains(body, "said in the lounge") != want {
			t.Errorf("%s has the lounge's line: %t", path, !want)
		}
	}
	if _, body, _ := s.ask(client, "GET", "/?channel=attic", nil); !strings.Contains(body, "alice in the attic") || !strings.Contains(body, `href="/history?channel=attic"`) {
		t.Error("the attic's page is not about the attic")
	}
	film := func(title, channel string) event.Envelope {
		e, err := event.New(event.SubjectMediaChange, event.MediaChange{Title: title, URL: "https://example.org/", Type: "yt", Duration: 90, Channel: channel})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	before := film("Film before", "lounge")
	for _, c := range []struct {
		told          event.Envelope
		lounge, attic string
	}{
		{before, "Film before", ""},
		{film("Film of the lounge", "lounge"), "Film of the lounge", ""},
		{film("Film of the attic", "attic"), "Film of the lounge", "Film of the attic"},
		// A dead letter that is put to a plugin again tells what played then.
		{before.WithMeta(event.MetaRetryFor, "plugin-guest"), "Film of the lounge", "Film of the attic"},
	} {
		if _, err := s.bus.Publish(streamstest.Context(t), c.told); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"lounge": c.lounge, "attic": c.attic} {
			_, body, _ := s.ask(client, "GET", "/?channel="+name, nil)
			got := regexp.MustCompile(`<p class="playing">([^<]*)</p>`).FindStringSubmatch(body)
			if want == "" && got != nil || want != "" && (got == nil || got[1] != want) {
				t.Errorf("the page of the %s says that %q plays, not %q", name, got, want)
			}
		}
	}
}

func TestJumpToTheBeginning(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{})
	for i := range firstLines + 2 {
		s.chat("alice", fmt.Sprintf("line %d of them", i))
	}
	_, body, _ := s.ask(s.client(), "GET", "/history?at=2d", nil)
	if !strings.Contains(body, "line 0 of them") || strings.Contains(body, fmt.Sprintf("line %d of them", firstLines+1)) {
		t.Errorf("a time before the first event does not lead to it: %s", body)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{})
	c := s.client()
	ref := s.chat("alice", `<img src=x onerror="alert(1)">`)
	for path, want := range map[string]int{
		"/": 200, "/history": 200, "/history?q=img": 200, "/history?q=(&regexp=1": 400, "/history?at=never": 400, "/history?at=1h": 200, "/history/rows?before=x": 400,
		"/trace": 200, "/trace/" + ref.String(): 200, "/trace/CYTUBE:99": 404, "/trace?id=CYTUBE:1": 303, "/timeline": 200, "/timeline?since=now&until=2h": 400,
		"/timeline?subject=nonsense": 400, "/plugins": 200, "/streams": 200, "/dead": 200, "/dead/CYTUBE:1": 404, "/dead/x": 400, "/data": 200,
		"/data/quotes": 200, "/data/quotes?filter=%7B": 400, "/data/quotes/1": 404, "/data/no%20such": 400, "/nowhere": 404, "/assets/console.css": 200, "/assets/none": 404,
	} {
		status, body, _ := s.ask(c, "GET", path, nil)
		if status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
		if strings.Contains(body, "<img src=x") {
			t.Errorf("%s has the chat's own markup", path)
		}
		if regexp.MustCompile(`(?i)\sstyle=|<script>|\son[a-z]+="`).MatchString(strings.ReplaceAll(body, "onerror=&#34;", "")) && strings.HasSuffix(path, "css") == false {
			t.Errorf("%s has a style or script of its own, which the policy forbids", path)
		}
	}
}
