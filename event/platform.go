package event

import (
	"encoding/json"
)

// Startup is the payload of platform.startup.
type Startup struct {
	Version   string   `json:"version" contract:"required"`
	Plugins   []string `json:"plugins" contract:"required"`
	Timestamp float64  `json:"timestamp" contract:"required,nonnegative"` // Unix seconds
	Extra     `json:"-"`
}

// Shutdown is the payload of platform.shutdown.
type Shutdown struct {
	Reason    string  `json:"reason" contract:"required"` // for example user_requested
	Timestamp float64 `json:"timestamp" contract:"required,nonnegative"`
	Extra     `json:"-"`
}

// Operation is the payload of platform.operation: what an operator did in the console.
type Operation struct {
	Operator  string  `json:"operator" contract:"required" mark:"person"` // "operator" where several share a password
	Action    string  `json:"action" contract:"required"`                 // pause, resume, restart, retry, drop or say
	Target    string  `json:"target"`                                     // the plugin, dead letter or channel
	Timestamp float64 `json:"timestamp" contract:"required,nonnegative"`
	Extra     `json:"-"`
}

// SettingChange is the payload of platform.settings: a setting of a plugin, or of one of
// its commands, was changed.
type SettingChange struct {
	Plugin    string          `json:"plugin" contract:"nonempty"`
	Channel   string          `json:"channel"` // "" is all channels
	Key       string          `json:"key" contract:"nonempty"`
	Old       json.RawMessage `json:"old" mark:"text"` // null where it was not set
	New       json.RawMessage `json:"new" mark:"text"` // null where it is no longer set
	By        string          `json:"by" contract:"required" mark:"person"`
	Reason    string          `json:"reason" mark:"text"`
	Revision  int64           `json:"revision" contract:"required,nonnegative"` // of the bucket
	Timestamp float64         `json:"timestamp" contract:"required,nonnegative"`
	Extra     `json:"-"`
}

// GrantChange is the payload of platform.grant: a user was granted a right or lost it, or a
// role was changed.
type GrantChange struct {
	Action    string   `json:"action" contract:"nonempty"` // grant, revoke or role
	User      string   `json:"user" mark:"person"`         // "" of a role
	Right     string   `json:"right" contract:"nonempty"`  // a plugin, PLUGIN.COMMAND or a role
	Channel   string   `json:"channel"`                    // "" is all channels
	Until     int64    `json:"until"`                      // ms since the epoch; 0 is for ever
	Rights    []string `json:"rights,omitempty"`           // of a role; none removes it
	By        string   `json:"by" contract:"required" mark:"person"`
	Reason    string   `json:"reason" mark:"text"`
	Timestamp float64  `json:"timestamp" contract:"required,nonnegative"`
	Extra     `json:"-"`
}

// Heartbeat is the payload of platform.heartbeat.
type Heartbeat struct {
	Timestamp     float64 `json:"timestamp" contract:"required,nonnegative"`
	Uptime        float64 `json:"uptime" contract:"required,nonnegative"` // seconds
	PluginsActive int     `json:"plugins_active" contract:"required,nonnegative"`
	NATSConnected bool    `json:"nats_connected" contract:"required"`
	Extra         `json:"-"`
}

// ClockSet is the payload of platform.clock: the clock of the bot's machine was set, or
// the machine slept. Offsets are how far the clock was off, in seconds, from the time that
// has passed since the bot started.
type ClockSet struct {
	Direction    string  `json:"direction" contract:"nonempty,oneof=ahead|back"`
	By           float64 `json:"by" contract:"required,nonnegative"` // seconds
	OffsetBefore float64 `json:"offset_before" contract:"required"`
	OffsetAfter  float64 `json:"offset_after" contract:"required"`
	Timestamp    float64 `json:"timestamp" contract:"required,nonnegative"` // after it was set
	Extra        `json:"-"`
}
