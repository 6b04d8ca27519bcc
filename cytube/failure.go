package cytube

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/cytube/socketio"
)

// PermanentError says why a Connector gave up: another attempt would fail again unless
// somebody changes something.
type PermanentError struct {
	Problem string // what the site said
	Advice  string // what to do about it

	cause error // nil if Problem is all
}

// Unwrap returns the failure that a connector gave up at, if it is one of its own.
func (e *PermanentError) Unwrap() error { return e.cause }

// Error returns the problem and the advice.
func (e *PermanentError) Error() string { return e.Problem + "; " + e.Advice }

// slowError is a failure that passes with time, and that an early retry makes worse.
type slowError struct {
	error
	wait time.Duration // as the server says, 0 if it does not
}

func (e *slowError) Unwrap() error { return e.error }

// kickedError is a moderator's kick.
type kickedError struct{ reason string }

// isBan reports whether the server says that it was a ban.
func (e *kickedError) isBan() bool { return strings.Contains(strings.ToLower(e.reason), "banned") }

func (e *kickedError) Error() string {
	if e.reason == "" {
		return "the bot was kicked, without a reason"
	}
	return "the bot was kicked: " + strings.TrimRight(e.reason, ".")
}

// tooManyWait is how long a connector waits for one of the connections that the site
// allows an address.
const tooManyWait = 5 * time.Minute

var errDuplicate = errors.New("somebody logged in with the bot's account elsewhere, and the server sent this connection away")

// verdict says what to do about a refusal that contains text.
type verdict struct {
	text   string
	advice string // of a PermanentError; "" makes a slowError
}

// loginVerdicts are for answers to a login. Others, such as an error of the site's
// database, pass with time.
var loginVerdicts = []verdict{
	{"Invalid username/password", "check the password and the user name"},
	{"User does not exist", "register the account on the site, correct the user name, or leave out the password to log in as a guest"},
	{"is registered", "the name belongs to an account: give its password or choose another user name"},
	{"is reserved", "choose another user name"},
	{"Invalid username", "choose a user name of 1 to 20 characters of a-z A-Z 0-9 - _"},
	{"already in use", ""},
	{"Guest logins are restricted", ""},
}

// kickVerdicts are for reasons of a kick that are not a moderator's.
var kickVerdicts = []verdict{
	{"banned", "ask a moderator of the channel, or the site's operator, to lift the ban, or use another user name"},
	{"Invalid channel name", channelAdvice},
}

const channelAdvice = "correct the channel: a name is 1 to 30 of a-z A-Z 0-9 - _"

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

// waitIn returns the 60 seconds of "one per IP address per 60 seconds", 0 if a text
// names no time.
func waitIn(said string) time.Duration {
	m := waitText.FindStringSubmatch(said)
	if m == nil {
		return 0
	}
	s, err := strconv.ParseFloat(m[1], 64)
	if err != nil || s > 3600 {
		return 0
	}
	return time.Duration(s * float64(time.Second))
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
	kicked := &kickedError{reason}
	err := judge(kickVerdicts, reason, kicked.Error())
	if permanent, ok := err.(*PermanentError); ok { //nolint:errorlint // judge wraps none
		permanent.cause = kicked
	}
	if err != nil {
		return err
	}
	switch reason {
	case "Channel reloading", "Channel shutting down", "Channel deleted":
		return errors.New(kicked.Error()) // it will be back
	case "Rate limit exceeded":
		return &slowError{error: errors.New(kicked.Error())}
	case "Too many connections from your IP address":
		return &slowError{error: errors.New("the site allows this address no more connections: run the bot in fewer of its channels, " +
			"or ask the site's operator"), wait: tooManyWait}
	}
	return &slowError{error: kicked}
}

// kickVerdict returns what the settings want after a moderator's kick; err as it is after
// anything else.
func (c Config) kickVerdict(err error) error {
	var kicked *kickedError
	switch {
	case !errors.As(err, &kicked) || c.KickWait == 0 || errors.As(err, new(*PermanentError)):
		return err
	case c.KickWait == StayOut:
		return &PermanentError{cause: kicked, Problem: kicked.Error(), Advice: "ask the channel's moderators, and start the bot again; after_kick says whether it comes back by itself"}
	}
	return &slowError{error: kicked, wait: c.KickWait}
}

// connectError judges an error of discovering or dialling the site.
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
		return &PermanentError{Problem: err.Error(), Advice: "correct the channel"}
	case errors.Is(err, socketio.ErrBadSite):
		return &PermanentError{Problem: err.Error(), Advice: "correct the site"}
	}
	return err
}
