package socketio_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

// The page of a channel tells how long a line may be, or it does not.
func TestMessageLimit(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]int{
		`<input class="form-control" id="chatline" type="text" maxlength="320" style="display: none">`:  320,
		`<input maxlength="1000" id="chatline">`:                                                        1000,
		`<input id="cs-maxlength" maxlength="7"><input id="chatline" type="text"><input maxlength="9">`: 0,
		`<input id="chatline" maxlength="99999999">`:                                                    0,
		"": 0,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/sub/r/lobby" {
				http.NotFound(w, r)
				return
			}
			fmt.Fprint(w, "<!DOCTYPE html>", page)
		}))
		defer s.Close()
		if got, err := socketio.MessageLimit(soon(t), s.Client(), s.URL+"/sub", "lobby"); got != want || err != nil {
			t.Errorf("%s tells %d, %v, want %d", page, got, err, want)
		}
		if got, err := socketio.MessageLimit(soon(t), s.Client(), s.URL, "lobby"); got != 0 || err == nil {
			t.Errorf("a site without the page tells %d, %v", got, err)
		}
	}
}
