package cytube_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rosey-bot/rosey/cytube"
	"github.com/rosey-bot/rosey/cytube/cytubetest"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// A ban of addresses of which the server refuses one is done all the same, and the outcome
// has the server's words.
func TestBanAddressInPart(t *testing.T) {
	t.Parallel()
	streamstest.Slow(t, "a bot for each case")
	for name, c := range map[string]struct {
		own  bool // alice was seen from an address of her own, too
		user string
		want string
	}{
		"a shared address, then the name":    {false, "alice", event.DeliveryDone},
		"one of her addresses, not the name": {true, "alice", event.DeliveryDone},
		"nothing":                            {false, "mod", event.DeliveryRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var shared atomic.Bool
			w := newWorld(t, func(site *cytubetest.Config, _ *cytube.Config) {
				site.Channels[0].Ranks["rosey"] = 4
				site.Address = func(name string) string {
					if shared.Load() && strings.EqualFold(name, "alice") {
						name = "mod"
					}
					return cytubetest.AddressOf(name)
				}
			})
			w.site.SetRank(lounge, "mod", 4)
			w.join()
			mod := w.joined("mod")
			shared.Store(!c.own)
			alice := w.joined("alice")
			if c.own {
				alice.Close()
				w.await("alice to leave", leftBy("alice"))
				shared.Store(true)
				w.joined("alice")
			}
			if c.user == "mod" {
				mod.Close()
				w.await("mod to leave", leftBy("mod"))
			}
			d := w.ask(event.SubjectSendBanAddress, event.SendBanAddress{User: c.user})
			if d.Status != c.want || !strings.Contains(d.Reason, "permission to ban IP") {
				t.Fatalf("the outcome: %+v", d)
			}
			if c.want == event.DeliveryDone && !strings.HasPrefix(d.ConfirmedBy, "CYTUBE:") {
				t.Errorf("no event shows that it was done: %+v", d)
			}
		})
	}
}

func leftBy(name string) func(s streams.Stored) bool {
	return func(s streams.Stored) bool {
		l, err := event.As[event.UserLeave](s.Envelope)
		return err == nil && s.Subject == event.SubjectUserLeave && l.User == name
	}
}
