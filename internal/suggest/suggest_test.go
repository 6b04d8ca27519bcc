package suggest

import "testing"

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"channel", "channels", "context", "log-level", "ls", "password_file", "rate.per_second", "replay", "retention.STREAM.max_age", "run", "status", "store", "user"}
	for said, want := range map[string]string{
		"chanel": "channel", "channels": "channels", "log_levle": "log-level", "lst": "ls", "pasword-file": "password_file", "per_seconds": "rate.per_second",
		"max_agee": "retention.STREAM.max_age", "rnu": "", "runn": "run", "stat": "status", "stroe": "store", "username": "user",
		"container": "", "port": "", "service_host": "", "nonsense": "", "x": "", "": "",
	} {
		if got := Nearest(said, names); got != want {
			t.Errorf("%q is taken for %q, want %q", said, got, want)
		}
	}
}
