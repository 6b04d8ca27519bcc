package automod

import (
	"slices"
	"testing"
	"time"
)

// S17: what is a link, and where it leads to.
func TestHosts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"https://youtube.com/watch?v=1":                {"youtube.com"},
		"HTTPS://WWW.YouTube.com":                      {"www.youtube.com"},
		"see (https://youtu.be/x).":                    {"youtu.be"},
		"[this](https://evil.com/a),https://b.org":     {"evil.com", "b.org"},
		"http://youtube.com.evil.tld/":                 {"youtube.com.evil.tld"},
		"evil.tld/?youtube.com":                        {"evil.tld"},
		"https://youtube.com@evil.tld":                 {"evil.tld"},
		"youtube.com@evil.tld":                         {"evil.tld"},
		"https://a:b@c@evil.tld/":                      {"evil.tld"},
		`https://evil.tld\@youtube.com`:                {"evil.tld"},
		"https://ev%69l.tld/":                          {"evil.tld"},
		"https://evil.tld./":                           {"evil.tld"},
		"https://evil。com":                             {"evil.com"},
		"https://[::1]:80/":                            {"::1"},
		"http://127.0.0.1:8080/x":                      {"127.0.0.1"},
		"https://bücher.example/":                      {"xn--bcher-kva.example"},
		"www.evil.tld":                                 {"www.evil.tld"},
		"evil.com:80/x":                                {"evil.com"},
		"twitch.tv and bit.ly!":                        {"twitch.tv", "bit.ly"},
		"evil.com":                                     {"evil.com"},
		"that is v1.2 now, 3.14/2, 24.12.2026":         nil,
		"the end.Next one":                             nil,
		"yes.no wait... e.g. this and/or that, U.S.A.": nil,
		"bob@example.com":                              nil,
		"https:// nothing, http:///, ://x":             nil,
		"12:30 a:b C:/x":                               nil,
	} {
		if got := Hosts(text); !slices.Equal(got, want) {
			t.Errorf("links of %q: %q, want %q", text, got, want)
		}
	}
}

// S17: hosts are compared by label, and one good link excuses nothing.
func TestLinks(t *testing.T) {
	t.Parallel()
	only := Config{Links: "deny", AllowHosts: []string{"youtube.com", "*.example.org"}}
	none := Config{Links: "allow", DenyHosts: []string{"evil.tld"}}
	guests := Config{Links: "allow", NewLinks: "deny", NewFor: time.Hour, AllowHosts: []string{"youtube.com"}}
	for _, c := range []struct {
		config Config
		text   string
		want   string // the host that is not allowed
	}{
		{only, "https://youtube.com/x and https://m.youtube.com/x", ""},
		{only, "https://example.org https://a.b.example.org", ""},
		{only, "https://youtube.com.evil.tld", "youtube.com.evil.tld"},
		{only, "youtube.com.evil.tld", "youtube.com.evil.tld"},
		{only, "evil.tld/?youtube.com", "evil.tld"},
		{only, "youtube.com@evil.tld", "evil.tld"},
		{only, "https://notyoutube.com/", "notyoutube.com"},
		{only, "https://youtube.com/x https://bad.net/y", "bad.net"},
		{only, "v1.2 end.Next ok.", ""},
		{only, "(https://youtube.com/x)", ""},
		{none, "https://evil.tld.youtube.com", ""},
		{none, "sub.evil.tld", "sub.evil.tld"},
		{none, "EVIL.TLD", "evil.tld"},
		{none, "https://fine.net", ""},
		{guests, "https://fine.net", "fine.net"},
		{guests, "https://youtube.com", ""},
	} {
		r := compile(t, c.config)
		got, _ := r.forbidden(c.text, true)
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}
