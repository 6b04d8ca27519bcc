package ability

import (
	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
)

// Outcome is how a send ends: its cytube.delivery.
type Outcome struct {
	Status      string
	Code        event.Code
	Reason      string
	ConfirmedBy event.Ref
}

func refuse(code event.Code, format string, args ...any) *Outcome {
	err := event.Errorf(code, format, args...)
	return &Outcome{Status: event.DeliveryRefused, Code: code, Reason: err.Message}
}

// refuseError returns the refusal of what an error says.
func refuseError(err error) *Outcome {
	e := event.AsError(err, event.InvalidInput)
	return refuse(e.Code, "%s", e.Message)
}

// done returns the outcome that an event shows.
func done(by event.Ref) *Outcome { return &Outcome{Status: event.DeliveryDone, ConfirmedBy: by} }

// needs refuses what the bot has no permission for.
func (c *Call) needs(permissions ...string) *Outcome { return needs(c.State, permissions...) }

// needsRank refuses what the bot has not the rank for.
func (c *Call) needsRank(least float64) *Outcome { return needsRank(c.State, least) }

// rights are what the bot may do: those of a channel.State or of channel.Rights.
type rights interface {
	Rank() float64
	May(permission string) bool
	Permission(name string) (least float64, ok bool)
}

func needs(r rights, permissions ...string) *Outcome {
	for _, name := range permissions {
		if r.May(name) {
			continue
		}
		if least, ok := r.Permission(name); ok {
			return refuse(event.PermissionDenied, "the bot has rank %v, and %s needs %v", r.Rank(), name, least)
		}
		return refuse(event.PermissionDenied, "the channel gives nobody the permission %s", name)
	}
	return nil
}

func needsRank(r rights, least float64) *Outcome {
	if least == 0 || r.Rank() >= least {
		return nil
	}
	if least == 1 {
		return refuse(event.PermissionDenied, "the bot is a guest, and this needs an account")
	}
	return refuse(event.PermissionDenied, "the bot has rank %v, and this needs %v", r.Rank(), least)
}

func (c *Call) byBot(name string) bool { return channel.SameName(name, c.State.Self()) }

// first returns the first outcome that there is.
func first(outcomes ...*Outcome) *Outcome {
	for _, o := range outcomes {
		if o != nil {
			return o
		}
	}
	return nil
}
