package channel

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/markup"
)

// poll is the poll that is open.
type poll struct {
	event.Poll
	opened  int64     // the server's time, by which a join tells it from the one before
	stored  time.Time // when its counts were last recorded
	pending bool      // its counts have changed since
}

// pollInterval is the least time between two recorded updates of a poll.
const pollInterval = time.Second

// PollStored sets where the event is stored that opened the poll.
func (s *State) PollStored(ref event.Ref) {
	if s.poll != nil {
		s.poll.Poll.Poll = ref.String()
	}
}

func (s *State) newPoll(f *fold) error {
	w, err := read[wirePoll](f.args)
	if err != nil {
		return err
	}
	s.found["newPoll"] = true
	if s.poll != nil && s.poll.opened == w.Timestamp { // again, at a join
		return s.updatePoll(f)
	}
	s.pollEnded(f) // at a join: it was closed, and the bot missed it
	s.poll = &poll{Poll: event.Poll{Channel: s.channel, Extra: event.Extra{"opened": marshal(w.Timestamp)}}, opened: w.Timestamp, stored: f.at}
	s.poll.take(w, f)
	f.emit(event.SubjectPollOpen, s.poll.Poll)
	return nil
}

// take takes what a frame says of the poll.
func (p *poll) take(w wirePoll, f *fold) {
	p.Title, p.By, p.Time = markup.Plain(w.Title), w.Initiator, f.ms()
	p.Options, p.Counts, p.Hidden = make([]string, 0, len(w.Options)), make([]int, len(w.Options)), false
	for _, option := range w.Options {
		p.Options = append(p.Options, markup.Plain(option))
	}
	for i, raw := range w.Counts {
		text := string(raw)
		if strings.HasPrefix(text, `"`) {
			p.Hidden, text = true, strings.Trim(text, `"?`)
		}
		if n, err := strconv.Atoi(text); err == nil && i < len(p.Counts) {
			p.Counts[i] = n
		}
	}
}

func (s *State) updatePoll(f *fold) error {
	w, err := read[wirePoll](f.args)
	if err != nil || s.poll == nil {
		return err
	}
	s.poll.take(w, f)
	s.poll.pending = true
	s.pollDue(f)
	return nil
}

// pollDue records the counts of the poll, at most once in pollInterval.
func (s *State) pollDue(f *fold) {
	if p := s.poll; p != nil && p.pending && f.at.Sub(p.stored) >= pollInterval {
		p.pending, p.stored = false, f.at
		f.emit(event.SubjectPollUpdate, p.Poll)
	}
}

func (s *State) closePoll(f *fold) error {
	s.pollEnded(f)
	return nil
}

func (s *State) pollEnded(f *fold) {
	if s.poll != nil {
		s.poll.Time = f.ms()
		f.emit(event.SubjectPollClose, s.poll.Poll)
	}
	s.poll = nil
}

func (s *State) voteskip(f *fold) error {
	v, err := read[wireVote](f.args)
	if err != nil || v == s.votes {
		return err
	}
	before := s.votes.Count
	s.voted = s.voted && v.Count > 0
	if s.votes = v; v.Count > 0 || before > 0 {
		f.emit(event.SubjectMediaVote, event.MediaVote{Count: v.Count, Need: v.Need, Channel: s.channel, Time: f.ms()})
	}
	return nil
}

// clearVote takes that the bot's own vote is gone.
func (s *State) clearVote(*fold) error {
	s.voted = false
	return nil
}

// NoteVote notes that the bot voted to skip what plays, which no frame says.
func (s *State) NoteVote() { s.voted = true }

// Voted reports whether the bot has voted to skip what plays. The server is silent about
// a second vote.
func (s *State) Voted() bool { return s.voted }

var votePassed = regexp.MustCompile(`^Voteskip passed: (\d+)/`)

// voteLine records that the vote passed, which a line says.
func (s *State) voteLine(f *fold, l *Line) {
	if m := votePassed.FindStringSubmatch(l.Text); m != nil {
		count, _ := strconv.Atoi(m[1])
		f.emit(event.SubjectMediaVote, event.MediaVote{Count: count, Need: s.votes.Need, Passed: true, Channel: s.channel, Time: l.Time})
		s.votes = wireVote{}
	}
}
