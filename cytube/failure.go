package cytube

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

// PermanentError is why a Connector gave up: trying again without changing
// anything would fail again.
type PermanentError struct {
	Problem string // what the site said
	Advice  string // what to do about it
}

// Error is the problem and the advice.
func (e *PermanentError) Error() string { return e.Problem + "; " + e.Advice }

// slowError is a failure that passes, but only after a while: coming back at
// once would make it worse.
type slowError struct {
	error
	wait time.Duration // what the server asks for; 0 when it does not say
}

func (e *slowError) Unwrap() error { return e.error }

var errDuplicate = errors.New("somebody logged in with the bot's account elsewhere, and the server sent this connection away")

// verdict says what to do about a refusal of the server's that contains the text.
type verdict struct {
	text   string
	advice string // of a permanent error; a slow one when empty
}

// loginVerdicts are the answers to a login. Others, such as trouble with the
// site's database, pass with time.
var loginVerdicts = []verdict{
	{"Invalid username/password", "check the password (--password-file or ROSEY_PASSWORD) and the user name (--user)"},
	{"User does not exist", "register the account on the site, correct --user, or leave out the password to log in as a guest"},
	{"is registered", "the name belongs to an account: give its password (--password-file or ROSEY_PASSWORD) or choose another --user"},
	{"is reserved", "choose another --user"},
	{"Invalid username", "choose a --user of 1 to 20 characters of a-z A-Z 0-9 - _"},
	{"already in use", ""},
	{"Guest logins are restricted", ""},
}

// kickVerdicts are the reasons for a kick that say more than that somebody
// wanted the bot out for now.
var kickVerdicts = []verdict{
	{"banned", "ask a moderator of the channel, or the site's operator, to lift the ban, or use another --user"},
	{"Invalid channel name", channelAdvice},
}

const channelAdvice = "correct --channel: a name is 1 to 30 of a-z A-Z 0-9 - _"

func judge(verdicts []verdict, said, problem string) error {
	for _, v := range verdicts {
		if strings.Contains(strings.ToLower(said), strings.ToLower(v.text)) {
			if v.advice == "" {
				return &slowError{error: errors.New(problem), wait: waitIn(said)}
			}
			return &PermanentError{Problem: problem, Advice: v.advice}
		}
	}
	return nil
}

var waitText = regexp.MustCompile(`per ([0-9.]+) seconds`)

// waitIn is the time that "one per IP address per 60 seconds" speaks of.
func waitIn(said string) time.Duration {
	m := waitText.FindStringSubmatch(said)
	if m == nil {
		return 0
	}
	s, err := strconv.ParseFloat(m[1], 64)
	if err != nil || s > 3600 {
		return 0
	}
	return seconds(s)
}

func loginError(said string) error {
	problem := "the login failed: " + strings.TrimRight(said, ".")
	if err := judge(loginVerdicts, said, problem); err != nil {
		return err
	}
	return errors.New(problem)
}

func kickError(reason string) error {
	if reason == "Duplicate login" {
		return &slowError{error: errDuplicate}
	}
	problem := "the bot was kicked: " + strings.TrimRight(reason, ".")
	if reason == "" {
		problem = "the bot was kicked, without a reason"
	}
	if err := judge(kickVerdicts, reason, problem); err != nil {
		return err
	}
	switch reason {
	case "Channel reloading", "Channel shutting down", "Channel deleted":
		return errors.New(problem) // it will be back
	}
	return &slowError{error: errors.New(problem)}
}

// connectError judges what discovering and dialling the site end with.
func connectError(err error) error {
	var refused *socketio.RefusedError
	var channel *socketio.ChannelError
	switch {
	case errors.As(err, &refused):
		if p := judge(kickVerdicts, refused.Message, err.Error()); p != nil {
			return p
		}
		return &slowError{error: err}
	case errors.As(err, &channel):
		return &PermanentError{Problem: err.Error(), Advice: "correct --channel"}
	case errors.Is(err, socketio.ErrBadSite):
		return &PermanentError{Problem: err.Error(), Advice: "correct --site"}
	}
	return err
}

// concerns reports whether an errorMsg of the server's is about a message of the
// bot's: about a private one, or about one in chat.
func concerns(said string, pm bool) bool {
	if pm {
		return strings.Contains(said, "PM") || strings.Contains(said, "message pm:")
	}
	return strings.Contains(said, "message chatMsg:")
}
