package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const discoverTimeout = 15 * time.Second

// Discover asks a CyTube site for the socket servers of a channel and returns the URL of
// one for [Dial]: a secure one that is not for IPv6 only, or else one that is not for
// IPv6 only, or else the first. A nil client has a timeout of 15 s.
//
// Errors: [ErrBadSite] and [*ChannelError], where retrying is of no use, and
// [*SiteError].
func Discover(ctx context.Context, client *http.Client, site, channel string) (string, error) {
	body, status, err := get(ctx, client, site, "socketconfig", url.PathEscape(channel)+".json")
	if err != nil {
		return "", err
	}
	var answer struct {
		Error   string   `json:"error"`
		Servers []server `json:"servers"`
	}
	bad := json.Unmarshal(body, &answer)
	switch {
	case status == http.StatusNotFound && answer.Error != "":
		return "", &ChannelError{Site: site, Channel: channel, Reason: answer.Error}
	case status != http.StatusOK:
		return "", &SiteError{Site: site, Err: fmt.Errorf("the socketconfig of channel %s answered HTTP %d %s", channel, status, http.StatusText(status))}
	case bad != nil:
		return "", &SiteError{Site: site, Err: fmt.Errorf("the socketconfig of channel %s is not JSON: %w", channel, bad)}
	case len(answer.Servers) == 0:
		return "", &SiteError{Site: site, Err: errors.New("the site names no socket server")}
	}
	u, err := endpoint(choose(answer.Servers).URL, 4)
	if err != nil {
		return "", &SiteError{Site: site, Err: err}
	}
	return u, nil
}

// get reads what a site has under a path.
func get(ctx context.Context, client *http.Client, site string, path ...string) (body []byte, status int, err error) {
	base, err := url.Parse(site)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, 0, fmt.Errorf("%q: %w", site, ErrBadSite)
	}
	base.RawQuery, base.Fragment = "", ""
	if client == nil {
		client = &http.Client{Timeout: discoverTimeout}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(path...).String(), nil)
	if err != nil {
		return nil, 0, fmt.Errorf("%q: %w", site, ErrBadSite)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, &SiteError{Site: site, Err: err}
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(resp.Body, MaxFrame)); err != nil {
		return nil, 0, &SiteError{Site: site, Err: err}
	}
	return body, resp.StatusCode, nil
}

type server struct {
	URL    string `json:"url"`
	Secure bool   `json:"secure"`
	IPv6   bool   `json:"ipv6"`
}

func choose(servers []server) server {
	for _, fits := range []func(server) bool{
		func(s server) bool { return s.Secure && !s.IPv6 },
		func(s server) bool { return !s.IPv6 },
	} {
		for _, s := range servers {
			if fits(s) {
				return s
			}
		}
	}
	return servers[0]
}
