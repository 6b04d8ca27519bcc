package examples_test

import (
	"os/exec"
	"regexp"
	"testing"

	"github.com/rosey-bot/rosey/event"
)

func TestShellPlugin(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "jq", "nats"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the plugin in shell needs %s: %v", tool, err)
		}
	}
	b := newBus(t)
	stop := b.start("clock", "plugin-shell", nil, "bash", "clock.sh")

	line := b.say("!time")
	reply := b.next(event.SubjectSendChat)
	if got := message(t, reply); !regexp.MustCompile(`^🕒 UTC: \d\d:\d\d:\d\d on [A-Z][a-z]+day$`).MatchString(got) {
		t.Errorf("it said %q", got)
	}
	b.check(reply, line, "clock")
	b.repeat("clock")
	for zone, want := range map[string]string{
		"Europe/Berlin": `^🕒 Europe/Berlin: \d\d:\d\d:\d\d on `, "../../etc/passwd": `^❌ I do not know the time zone \.\./\.\./etc/passwd: `,
		"'$(touch x){{ID}}'": `^❌ I do not know the time zone \$\(touch x\)\{\{ID\}\}: `, "-x": `^❌ I do not know the time zone -x: `,
	} {
		b.say("!time " + zone)
		if got := message(t, b.next(event.SubjectSendChat)); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s was answered %q", zone, got)
		}
	}
	if n := len(b.stored(event.AllSends)); n != 5 {
		t.Errorf("it said %d things, want 5", n)
	}
	b.retried("clock", "time")
	for _, body := range []string{`not JSON`, `{"command":"time"}`, `null`, ``} {
		if err := b.Conn().Publish("plugin.clock.command", []byte(body)); err != nil {
			t.Fatal(err)
		}
		if l, err := event.As[event.DeadLetter](b.next("plugin.clock.event.dead_letter").Envelope); err != nil || l.Attempts != 1 {
			t.Errorf("%q: %+v, %v", body, l, err)
		}
	}

	stop()
	line = b.say("!time")
	b.await("the router", func() bool { return len(b.stored("plugin.clock.command")) == 12 })
	b.start("clock", "plugin-shell", []string{"CLOCK_MAX_AGE=0"}, "bash", "clock.sh")
	expired := b.next("plugin.clock.event.expired")
	if x, err := event.As[event.Expired](expired.Envelope); err != nil || x.Subject != "plugin.clock.command" || expired.CorrelationID != line.CorrelationID {
		t.Errorf("expired %+v, %v", x, err)
	}
}
