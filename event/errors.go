package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/rosey-bot/rosey/internal/rawjson"
)

// Code is one of the contract's standard error codes (contract: Standard Error
// Codes).
type Code string

// The standard error codes.
const (
	RecordNotFound   Code = "RECORD_NOT_FOUND"  // a database record does not exist
	InvalidInput     Code = "INVALID_INPUT"     // parameters are not valid
	PermissionDenied Code = "PERMISSION_DENIED" // the user or plugin may not do this
	Timeout          Code = "TIMEOUT"           // a request was not answered in time
	NATSError        Code = "NATS_ERROR"        // talking to NATS failed
	DatabaseError    Code = "DATABASE_ERROR"    // a database operation failed
	PluginError      Code = "PLUGIN_ERROR"      // a plugin's own error
	RateLimited      Code = "RATE_LIMITED"      // a channel takes no more now
	LimitExceeded    Code = "LIMIT_EXCEEDED"    // a channel's limit on length or number
)

// Error is a failure with a contract code. Details may be nil.
type Error struct {
	Code    Code
	Message string
	Details map[string]any

	cause error
}

// Errorf returns an Error whose cause is that of a %w verb in format. A long message is
// truncated.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: bounded(err.Error()), cause: errors.Unwrap(err)}
}

// Invalidf returns an Error with the code INVALID_INPUT, as Errorf does.
func Invalidf(format string, args ...any) *Error { return Errorf(InvalidInput, format, args...) }

// maxMessage bounds the texts of an error, in bytes: a request may be as large as a
// message can be, and the reply that quotes it must fit into one too.
const maxMessage = 4000

func bounded(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + fmt.Sprintf("… (%d bytes)", len(text))
}

// Error returns the message without the code, fit to be shown to a person.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// With adds a detail and returns e.
func (e *Error) With(key string, value any) *Error {
	if e.Details == nil {
		e.Details = map[string]any{}
	}
	if text, ok := value.(string); ok {
		value = bounded(text)
	}
	e.Details[key] = value
	return e
}

// AsError returns err as a contract Error: err itself or the one it wraps, with the
// wrapping text kept. Any other error gets the fallback code; nil stays nil.
func AsError(err error, fallback Code) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if e.Message == err.Error() {
			return e
		}
		return &Error{Code: e.Code, Message: err.Error(), Details: e.Details, cause: err}
	}
	return &Error{Code: fallback, Message: err.Error(), cause: err}
}

// CodeOf returns the contract code of err, or "" when it has none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// MarshalJSON writes the contract's error response: success, error, error_code
// and details (contract: Error Response Format).
func (e *Error) MarshalJSON() ([]byte, error) {
	details := e.Details
	if details == nil {
		details = map[string]any{}
	}
	return marshal(struct {
		Success bool           `json:"success"`
		Error   string         `json:"error"`
		Code    Code           `json:"error_code"`
		Details map[string]any `json:"details"`
	}{false, e.Message, e.Code, details})
}

// Headline returns the first line of an error's text, for NATS headers: they have no
// line breaks.
func Headline(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// ReplyError reads a reply body and returns the failure it reports, or nil: a
// reply fails when its success field is false. A failed reply without a code
// gets PLUGIN_ERROR.
func ReplyError(body []byte) error {
	if !isObject(body) {
		return Errorf(PluginError, "the reply is not a JSON object but %s", kindOf(body))
	}
	if err := rawjson.Check(body); err != nil {
		return Errorf(PluginError, "the reply is not valid JSON: %w", err)
	}
	var success [1]json.RawMessage
	split(body, []string{"success"}, success[:], nil)
	if string(success[0]) != "false" {
		return nil
	}
	var r struct {
		Error   *string        `json:"error"`
		Code    Code           `json:"error_code"`
		Details map[string]any `json:"details"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return Errorf(PluginError, "the reply reports a failure in another form than the contract's: %w", err)
	}
	e := &Error{Code: r.Code, Message: "the request failed without a reason", Details: r.Details}
	if e.Code == "" {
		e.Code = PluginError
	}
	if r.Error != nil && *r.Error != "" {
		e.Message = *r.Error
	}
	return e
}
