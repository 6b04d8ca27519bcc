package console

import (
	"strings"
	"testing"

	ics "github.com/arran4/golang-ical"

	"github.com/rosey-bot/rosey/plugins/autoplay"
	"github.com/rosey-bot/rosey/plugins/plugintest"
)

// The calendar has what is scheduled, and so has the file, whatever is typed as a name.
func TestCalendar(t *testing.T) {
	t.Parallel()
	bot := plugintest.Run(t, autoplay.New())
	s := serveWith(t, func(cfg *Config) { cfg.Bus, cfg.Channels = bot.Bus, []Channel{channel(plugintest.ChannelName)} })
	if _, body, _ := s.ask(s.client(), "GET", "/calendar", nil); !strings.Contains(body, "Nothing is scheduled") {
		t.Errorf("without a schedule: %s", body)
	}
	for _, line := range []string{"!programme add Tea, <b>for</b> 2; https://youtu.be/abcdefg0200", "!schedule every friday 20:00 Europe/Berlin tea, <b>for</b> 2;"} {
		if got := bot.SayAs("mod", 2, line); strings.HasPrefix(got, "❌") {
			t.Fatal(got)
		}
	}
	_, body, _ := s.ask(s.client(), "GET", "/calendar", nil)
	for _, want := range []string{"Tea, &lt;b&gt;for&lt;/b&gt; 2;", " 20:00 CE", "every week", ">mod</td>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q: %s", want, body)
		}
	}
	status, file, header := s.ask(s.client(), "GET", "/calendar.ics", nil)
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/calendar") {
		t.Fatalf("%d %v", status, header)
	}
	calendar, err := ics.ParseCalendar(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, e := range calendar.Events() {
		at, err := e.GetStartAt()
		if err != nil || at.Weekday() != 5 || e.GetProperty(ics.ComponentPropertySummary).Value != "Tea, <b>for</b> 2;" {
			t.Errorf("%s: %v, %v", e.Id(), at, err)
		}
		ids[e.Id()] = true
	}
	if len(ids) < 8 || len(ids) > 9 {
		t.Errorf("%d events in sixty days", len(ids))
	}
}

// Where the plugin does not run the page says so.
func TestCalendarWithoutThePlugin(t *testing.T) {
	t.Parallel()
	s := serve(t, Access{})
	if status, body, _ := s.ask(s.client(), "GET", "/calendar", nil); status != 200 || !strings.Contains(body, "The plugin autoplay does not answer") {
		t.Errorf("%d %s", status, body)
	}
}
