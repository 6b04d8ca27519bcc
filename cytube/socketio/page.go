package socketio

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
)

var (
	chatline  = regexp.MustCompile(`<input[^>]*\bid="chatline"[^>]*>`)
	maxlength = regexp.MustCompile(`\bmaxlength="(\d{1,6})"`)
)

// MessageLimit reads from the page of a channel to how many UTF-16 units the site cuts a
// chat line, of which its sockets tell nothing. It returns 0 if the page does not tell. A nil
// client has a timeout of 15 s.
func MessageLimit(ctx context.Context, client *http.Client, site, channel string) (int, error) {
	page, status, err := get(ctx, client, site, "r", url.PathEscape(channel))
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK {
		return 0, &SiteError{Site: site, Err: fmt.Errorf("the page of channel %s answered HTTP %d", channel, status)}
	}
	m := maxlength.FindSubmatch(chatline.Find(page))
	if m == nil {
		return 0, nil
	}
	return strconv.Atoi(string(m[1]))
}
