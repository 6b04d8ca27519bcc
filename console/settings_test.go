package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// serveSettings serves a console over a plugin that has settings.
func serveSettings(t *testing.T) *served {
	t.Helper()
	s := serveWith(t, func(cfg *Config) {
		cfg.Access = Access{Accounts: []Account{{"ann", Operator, cheapHash("act")}, {"vic", Viewer, cheapHash("look")}}}
		var err error
		if cfg.Settings, err = pluginsettings.Open(t.Context(), cfg.Bus.JetStream(), 1); err != nil {
			t.Fatal(err)
		}
	})
	kv, err := router.OpenBucket(t.Context(), s.bus.JetStream(), 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = router.Register(t.Context(), kv, router.Registration{
		Name: "trivia", Version: "1.0.0", Description: "asks questions", Commands: []router.Command{{Name: "trivia"}},
		Settings: json.RawMessage(`{"type":"object","properties":{
			"questions":{"type":"integer","minimum":1,"maximum":50,"default":10,"description":"questions of a game"},
			"level":{"type":"string","enum":["easy","hard"],"default":"easy","description":"how hard they are"}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// change sends the form of a setting, and returns the status and the page.
func (s *served) change(c *http.Client, action, key, value, in string) (int, string) {
	s.t.Helper()
	form := url.Values{"csrf": {s.token(c)}, "key": {key}, "value": {value}, "in": {in}, "reason": {"because"}}
	status, body, _ := s.ask(c, "POST", "/settings/trivia/"+action, form)
	return status, body
}

// Operators change settings by a form made of the schema; each change is an event of theirs.
func TestSettingsForm(t *testing.T) {
	t.Parallel()
	s := serveSettings(t)
	c := s.client()
	s.signIn(c, "ann", "act")
	_, body, _ := s.ask(c, "GET", "/settings", nil)
	shows(t, body, []string{`href="/settings/trivia`, "asks questions"}, nil)
	_, body, _ = s.ask(c, "GET", "/settings/trivia", nil)
	shows(t, body, []string{"questions of a game", `value="10"`, "<option selected>easy</option>", "Nothing was changed"}, []string{`id="undo"`, "unset"})
	for _, step := range []struct {
		action, key, value, in string
		status                 int
		wanted, unwanted       []string // on the page of that place then
	}{
		{"set", "questions", "5", "", http.StatusSeeOther, []string{`value="5"`, "all channels<p class=\"muted\">by ann", `id="undo"`, "because"}, nil},
		{"set", "level", "hard", "lounge", http.StatusSeeOther, []string{"<option selected>hard</option>", "lounge<p class=\"muted\">by ann", `value="5"`}, nil},
		{"set", "trivia.enabled", "off", "", http.StatusSeeOther, []string{`id="set-trivia.enabled"`}, nil},
		{"undo", "", "", "", http.StatusSeeOther, []string{"undo of revision"}, []string{`id="set-trivia.enabled"`}},
		{"unset", "level", "", "lounge", http.StatusSeeOther, []string{"<option selected>easy</option>"}, []string{"lounge<p class=\"muted\">by ann"}},
	} {
		if status, body := s.change(c, step.action, step.key, step.value, step.in); status != step.status {
			t.Fatalf("%+v: %d\n%s", step, status, body)
		}
		_, body, _ := s.ask(c, "GET", "/settings/trivia?in="+step.in, nil)
		shows(t, body, step.wanted, step.unwanted)
	}
	if got := s.settingEvents(); len(got) != 5 || got[0].Key != "questions" || string(got[0].New) != "5" || got[0].By != "ann" || got[0].Reason != "because" || got[1].Channel != "lounge" {
		t.Errorf("events %+v", got)
	}
}

// What cannot be is said beside the field, which keeps what was typed; nothing changes.
func TestSettingsFormRefuses(t *testing.T) {
	t.Parallel()
	s := serveSettings(t)
	c, viewer := s.client(), s.client()
	s.signIn(c, "ann", "act")
	s.signIn(viewer, "vic", "look")
	for _, test := range []struct{ key, value, want, field string }{
		{"questions", "many", "questions must be a whole number from 1 to 50, not many", `aria-describedby="wrong-questions"`},
		{"questions", "51", "questions must be a whole number from 1 to 50, not 51", `value="51"`},
		{"level", "odd", "level must be easy or hard, not odd", `aria-describedby="wrong-level"`},
		{"trivia.cooldown_user", "-1s", "trivia.cooldown_user must be a time", `value="-1s"`},
		{"trivia.aliases", "!t", "cannot be an alias", `value="!t"`},
		{"nothing", "1", "trivia has no setting nothing", `aria-describedby="wrong"`},
	} {
		status, body := s.change(c, "set", test.key, test.value, "")
		if status != http.StatusBadRequest {
			t.Errorf("%s=%s: %d", test.key, test.value, status)
		}
		shows(t, body, []string{test.want, test.field, `value="because"`}, nil)
	}
	if status, _ := s.change(c, "undo", "", "", ""); status != http.StatusBadRequest {
		t.Errorf("undo of nothing: %d", status)
	}
	if status, _ := s.change(c, "dance", "questions", "5", ""); status != http.StatusNotFound {
		t.Errorf("an action that is none: %d", status)
	}
	_, body, _ := s.ask(viewer, "GET", "/settings/trivia", nil)
	shows(t, body, []string{"questions of a game", ">10<"}, []string{`action="/settings`})
	if status, _ := s.change(viewer, "set", "questions", "5", ""); status != http.StatusForbidden {
		t.Errorf("a viewer: %d", status)
	}
	if status, _, _ := s.ask(c, "POST", "/settings/trivia/set", url.Values{"key": {"questions"}, "value": {"5"}}); status != http.StatusForbidden {
		t.Errorf("without a token: %d", status)
	}
	if status, _, _ := s.ask(c, "GET", "/settings/nobody", nil); status != http.StatusNotFound {
		t.Errorf("a plugin that is none: %d", status)
	}
	if got := s.settingEvents(); len(got) != 0 {
		t.Errorf("events %+v", got)
	}
}

// settingEvents returns the changes that are stored.
func (s *served) settingEvents() (all []event.SettingChange) {
	s.t.Helper()
	for msg, err := range streams.Messages(streamstest.Context(s.t), s.bus.JetStream(), streams.Selection{Stream: streams.Platform, Subjects: []string{event.SubjectSettings}}) {
		if err != nil {
			s.t.Fatal(err)
		}
		e, err := streams.ReadRaw(streams.Platform, msg)
		if err != nil {
			s.t.Fatal(err)
		}
		c, err := event.As[event.SettingChange](e.Envelope)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}
