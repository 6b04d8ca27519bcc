package streams

import (
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/streams/msgid"
)

// The bot's KV buckets, beside those of the packages msgid and jsapi. An account may hold
// other buckets, which the bot leaves alone.
const (
	Registrations  = "plugins"     // registrations of plugins
	PluginSettings = "settings"    // settings of plugins
	UserGrants     = "user_grants" // what users were granted
	Cooldowns      = "cooldowns"   // last uses of commands
	Channels       = "channels"    // how far each channel is recorded
	Leases         = "leases"      // who does what only one process may do
	SpanClaims     = "traces"      // who exports synthesized spans
	Checkpoints    = "checkpoints" // how far durables and numbers of collections are
	// exchangesBucket holds exchanges by plugin and event, from which a dry run answers, as
	// long as the stream PLUGIN its events.
	exchangesBucket = "exchanges"
	erasureBucket   = "erasures" // keys of the fingerprints of erased lines, which no plugin can read

	// CollectionPrefix and a collection's name make the name of its bucket.
	CollectionPrefix = "db_"
)

var buckets = [...]string{Channels, Checkpoints, Cooldowns, erasureBucket, exchangesBucket, Leases, Registrations, msgid.Bucket, PluginSettings, SpanClaims, UserGrants}

// Buckets returns the names of the bot's KV buckets but those of collections, sorted.
func Buckets() []string { return slices.Clone(buckets[:]) }

// isOwnBucket reports whether a KV bucket is the bot's.
func isOwnBucket(name string) bool {
	return slices.Contains(buckets[:], name) || strings.HasPrefix(name, CollectionPrefix)
}

// HoldsRecords reports whether a KV bucket holds what nothing else does: records of
// plugins, and what operators have set. The bot writes the others again.
func HoldsRecords(name string) bool {
	return strings.HasPrefix(name, CollectionPrefix) || name == PluginSettings || name == UserGrants
}
