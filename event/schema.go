package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A Payload is the payload type of the subjects that a pattern matches.
type Payload struct {
	Pattern string
	Type    reflect.Type // nil allows any object
}

// Payloads returns the payload types of all subjects of the contract. Of the patterns that
// match a subject the first counts.
func Payloads() []Payload { return slices.Clone(payloads) }

var payloads = []Payload{
	{SubjectChat, reflect.TypeFor[Chat]()},
	{SubjectPM, reflect.TypeFor[PM]()},
	{SubjectUserJoin, reflect.TypeFor[UserJoin]()},
	{SubjectUserLeave, reflect.TypeFor[UserLeave]()},
	{SubjectUserRank, reflect.TypeFor[UserRank]()},
	{SubjectMediaChange, reflect.TypeFor[MediaChange]()},
	{SubjectMediaQueue, reflect.TypeFor[MediaQueue]()},
	{SubjectMediaDelete, reflect.TypeFor[MediaDelete]()},
	{SubjectMediaMove, reflect.TypeFor[MediaMove]()},
	{SubjectMediaTemp, reflect.TypeFor[MediaTemp]()},
	{SubjectMediaShuffle, reflect.TypeFor[MediaShuffle]()},
	{SubjectMediaClear, reflect.TypeFor[Count]()},
	{SubjectMediaLock, reflect.TypeFor[MediaLock]()},
	{SubjectMediaLeader, reflect.TypeFor[MediaLeader]()},
	{SubjectMediaStop, reflect.TypeFor[MediaStop]()},
	{SubjectMediaVote, reflect.TypeFor[MediaVote]()},
	{SubjectPollOpen, reflect.TypeFor[Poll]()},
	{SubjectPollUpdate, reflect.TypeFor[Poll]()},
	{SubjectPollClose, reflect.TypeFor[Poll]()},
	{SubjectUserAFK, reflect.TypeFor[UserAFK]()},
	{SubjectMOTD, reflect.TypeFor[ChannelText]()},
	{SubjectCSS, reflect.TypeFor[ChannelText]()},
	{SubjectJS, reflect.TypeFor[ChannelText]()},
	{SubjectOptions, reflect.TypeFor[ChannelValues]()},
	{SubjectPermissions, reflect.TypeFor[ChannelValues]()},
	{SubjectEmote, reflect.TypeFor[Definition]()},
	{SubjectFilter, reflect.TypeFor[Definition]()},
	{SubjectAnnouncement, reflect.TypeFor[Announcement]()},
	{SubjectDrinks, reflect.TypeFor[Count]()},
	{SubjectMediaPosition, reflect.TypeFor[MediaPosition]()},
	{SubjectUserCount, reflect.TypeFor[Count]()},
	{SubjectUserAliases, reflect.TypeFor[UserAliases]()},
	{SubjectBans, reflect.TypeFor[ChannelBans]()},
	{SubjectRanks, reflect.TypeFor[ChannelRanks]()},
	{SubjectState, reflect.TypeFor[State]()},
	{SubjectUnknown, reflect.TypeFor[Unknown]()},
	{AllModeration, reflect.TypeFor[Moderation]()},
	{SubjectConnection, reflect.TypeFor[Connection]()},
	{SubjectDelivery, reflect.TypeFor[Delivery]()},
	{SubjectErasure, reflect.TypeFor[Erasure]()},
	{SubjectSendChat, reflect.TypeFor[SendChat]()},
	{SubjectSendPM, reflect.TypeFor[SendPM]()},
	{SubjectSendEmote, reflect.TypeFor[SendEmote]()},
	{SubjectSendMediaQueue, reflect.TypeFor[SendMediaQueue]()},
	{SubjectSendMediaDelete, reflect.TypeFor[SendItem]()},
	{SubjectSendMediaJump, reflect.TypeFor[SendItem]()},
	{SubjectSendMediaTemp, reflect.TypeFor[SendMediaTemp]()},
	{SubjectSendMediaMove, reflect.TypeFor[SendMediaMove]()},
	{SubjectSendMediaSkip, reflect.TypeFor[SendBare]()},
	{SubjectSendMediaShuffle, reflect.TypeFor[SendBare]()},
	{SubjectSendMediaClear, reflect.TypeFor[SendBare]()},
	{SubjectSendMediaVote, reflect.TypeFor[SendBare]()},
	{SubjectSendMediaLock, reflect.TypeFor[SendMediaLock]()},
	{SubjectSendMediaLeader, reflect.TypeFor[SendMediaLeader]()},
	{SubjectSendMediaSaveList, reflect.TypeFor[SendList]()},
	{SubjectSendMediaQueueList, reflect.TypeFor[SendQueueList]()},
	{SubjectSendMediaDeleteList, reflect.TypeFor[SendList]()},
	{SubjectSendPollOpen, reflect.TypeFor[SendPollOpen]()},
	{SubjectSendPollClose, reflect.TypeFor[SendBare]()},
	{SubjectSendPollVote, reflect.TypeFor[SendPollVote]()},
	{SubjectSendKick, reflect.TypeFor[SendModeration]()},
	{SubjectSendBan, reflect.TypeFor[SendModeration]()},
	{SubjectSendBanAddress, reflect.TypeFor[SendBanAddress]()},
	{SubjectSendUnban, reflect.TypeFor[SendModeration]()},
	{SubjectSendMute, reflect.TypeFor[SendModeration]()},
	{SubjectSendShadowMute, reflect.TypeFor[SendModeration]()},
	{SubjectSendUnmute, reflect.TypeFor[SendModeration]()},
	{SubjectSendRank, reflect.TypeFor[SendRank]()},
	{SubjectSendClear, reflect.TypeFor[SendBare]()},
	{SubjectSendMOTD, reflect.TypeFor[SendText]()},
	{SubjectSendCSS, reflect.TypeFor[SendText]()},
	{SubjectSendJS, reflect.TypeFor[SendText]()},
	{SubjectSendOptions, reflect.TypeFor[SendValues]()},
	{SubjectSendPermissions, reflect.TypeFor[SendValues]()},
	{SubjectSendChannelEmote, reflect.TypeFor[SendDefinition]()},
	{SubjectSendChannelEmotes, reflect.TypeFor[SendDefinitions]()},
	{SubjectSendFilter, reflect.TypeFor[SendDefinition]()},
	{SubjectSendFilters, reflect.TypeFor[SendDefinitions]()},
	{SubjectSendAFK, reflect.TypeFor[SendAFK]()},
	{AllOutboxes, reflect.TypeFor[Outbox]()},
	{AllCommands, reflect.TypeFor[Command]()},
	{EventSubject("*", TypeDeadLetter), reflect.TypeFor[DeadLetter]()},
	{EventSubject("*", TypeExpired), reflect.TypeFor[Expired]()},
	{EventSubject("*", TypeDenied), reflect.TypeFor[Denied]()},
	{EventSubject("*"), nil},
	{EventSubject("*", ">"), nil},
	{RequestSubject("*"), nil},
	{RequestSubject("*", ">"), nil},
	{SubjectStartup, reflect.TypeFor[Startup]()},
	{SubjectShutdown, reflect.TypeFor[Shutdown]()},
	{SubjectHeartbeat, reflect.TypeFor[Heartbeat]()},
	{SubjectOperation, reflect.TypeFor[Operation]()},
	{SubjectSettings, reflect.TypeFor[SettingChange]()},
	{SubjectGrant, reflect.TypeFor[GrantChange]()},
	{SubjectClock, reflect.TypeFor[ClockSet]()},
	{SubjectGet, reflect.TypeFor[Get]()},
	{SubjectSet, reflect.TypeFor[Set]()},
	{SubjectQuery, reflect.TypeFor[Query]()},
	{SubjectDelete, reflect.TypeFor[Delete]()},
	{SubjectUpdate, reflect.TypeFor[Update]()},
	{SubjectBatch, reflect.TypeFor[Batch]()},
	{SubjectCollections, reflect.TypeFor[Collections]()},
	{AllDatabase, nil},
}

// schemas are the payloads by subject.
var schemas = func() (s Subjects[reflect.Type]) {
	for _, p := range payloads {
		s.Add(p.Pattern, p.Type)
	}
	return s
}()

// CheckData returns an INVALID_INPUT error that names the field where the data does
// not have the shape that the contract gives the subject's payload.
func (e Envelope) CheckData() error {
	if err := e.checkJSON(); err != nil {
		return err
	}
	payload, _ := schemas.Find(e.Subject)
	return checkData(e.Subject, e.Data, payload)
}

// checkData checks that data, an object in valid JSON, has the payload type's shape; a nil
// type takes any object.
func checkData(subject string, data json.RawMessage, payload reflect.Type) error {
	if payload == nil {
		return nil
	}
	err := decodeStruct(subject, data, reflect.New(payload).Elem(), false)
	if err != nil && Match(EventSubject("*", "*"), subject) {
		if taken := Reserved(subject[strings.LastIndexByte(subject, '.')+1:]); taken != nil {
			return AsError(fmt.Errorf("%w (%w)", err, taken), InvalidInput)
		}
	}
	return err
}

// ID is a record's ID: an integer or a string (contract: Union[int, str]). An
// ID that is a canonical decimal int64 is that integer, so 42 and "42" name one
// record, and it is written as 42. The empty ID is no ID and written as null.
type ID string

// IntID returns the ID of a number.
func IntID(n int64) ID { return ID(strconv.FormatInt(n, 10)) }

// Int returns the ID as an integer, if it is one.
func (id ID) Int() (int64, bool) {
	n, err := strconv.ParseInt(string(id), 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == string(id)
}

// MarshalJSON writes an integer, a string, or null for the empty ID.
func (id ID) MarshalJSON() ([]byte, error) { return id.AppendJSON(nil), nil }

// AppendJSON appends what MarshalJSON writes.
func (id ID) AppendJSON(b []byte) []byte {
	if id == "" {
		return append(b, "null"...)
	}
	if _, ok := id.Int(); ok {
		return append(b, id...)
	}
	return appendString(b, string(id))
}

// UnmarshalJSON reads an integer, a string or null.
func (id *ID) UnmarshalJSON(raw []byte) error {
	switch kindOf(raw) {
	case "null":
		*id = ""
		return nil
	case "a string":
		if err := decodeValue(raw, (*string)(id)); err != nil {
			return err
		}
		if *id == "" {
			return errors.New("must not be an empty string")
		}
		if strings.ContainsRune(string(*id), utf8.RuneError) {
			if _, err := jsontext.AppendUnquote(nil, raw); err != nil {
				return errors.New("must be Unicode, which half of a surrogate pair is not")
			}
		}
		return nil
	case "a number":
		n, err := integer(raw)
		*id = IntID(n)
		return err
	}
	return fmt.Errorf("must be an integer or a string, not %s", kindOf(raw))
}
