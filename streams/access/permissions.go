package access

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/tracing"
)

// Permissions are what a plugin with credentials of its own may do. It has a NATS
// account of its own, which shares with the bot's account nothing but these
// subjects: a reply reaches the requester alone, whatever the request says, and
// nobody receives another's replies.
type Permissions struct {
	Plugin string
	// Publish are the subjects that the bot's account exports as services.
	Publish []string
	// Batches are those of Publish that get any number of replies.
	Batches []string
	// Subscribe are the subjects that the bot's account exports as streams.
	Subscribe []string
}

// PluginPermissions returns all that a plugin with credentials of its own may do:
// publish its own events and sends, make requests to the database and other
// plugins, answer requests, read with its own durable, and register itself. It
// creates no consumer and no timer, since a consumer can be told to deliver to any
// subject, and a schedule likewise: the Provisioner creates them for it.
func PluginPermissions(plugin string) Permissions {
	durable, registrations := streams.Durable(plugin), jsapi.BucketStream(streams.Registrations)
	p := Permissions{
		Plugin: plugin,
		Publish: []string{
			event.EventSubject(plugin), event.EventSubject(plugin, ">"),
			event.SubjectSendChat, event.SubjectSendPM, event.SubjectSendEmote,
			event.RequestSubject("*"), event.RequestSubject("*", ">"),
			event.AllDatabase,
			inboxes, // replies to requests
			kvSubject(streams.Registrations, plugin),
			kvSubject(tracing.SpanClaims, "*"),
			provisionSubject(plugin, "*"),
			"$JS.API.INFO", apiStream("INFO", registrations), apiStream("INFO", jsapi.BucketStream(tracing.SpanClaims)),
			apiStream("MSG.GET", registrations), // by which some clients read a bucket
		},
		// Registrations, and events that are read again, are read without a consumer.
		Batches: []string{
			"$JS.API.DIRECT.GET." + registrations, "$JS.API.DIRECT.GET." + registrations + ".>",
			"$JS.API.DIRECT.GET." + streams.Cytube, "$JS.API.DIRECT.GET." + streams.Plugin,
		},
		Subscribe: []string{event.RequestSubject(plugin), event.RequestSubject(plugin, ">"), streams.RestartSubject(plugin), "$SRV.>"},
	}
	for _, stream := range streams.ReadableStreams() {
		p.Publish = append(p.Publish,
			apiStream("INFO", stream),
			"$JS.API.CONSUMER.INFO."+stream+"."+durable,
			"$JS.ACK."+stream+"."+durable+".>",
		)
		p.Batches = append(p.Batches, "$JS.API.CONSUMER.MSG.NEXT."+stream+"."+durable)
	}
	p.Publish = append(p.Publish, p.Batches...)
	return p
}

// inboxes are the reply subjects. The account of a plugin has none but its own.
const inboxes = "_INBOX.>"

func apiStream(verb, stream string) string { return "$JS.API.STREAM." + verb + "." + stream }

func kvSubject(bucket, key string) string { return "$KV." + bucket + "." + key }

// UserPermissions are the subjects that the plugin's user may use in its account.
// They add to what the account shares that the rest is refused with an error,
// instead of leading nowhere.
type UserPermissions struct{ Publish, DenyPublish, Subscribe []string }

// User returns the permissions of the plugin's user in its account.
func (p Permissions) User() UserPermissions {
	durable := streams.Durable(p.Plugin)
	own := []string{event.RequestSubject(p.Plugin), event.RequestSubject(p.Plugin, ">")}
	return UserPermissions{
		Publish: append(slices.Clone(p.Publish), userInfo),
		// A request to itself would arrive twice, from its own account and the bot's.
		DenyPublish: own,
		Subscribe:   append(slices.Clone(own), inboxes, streams.RestartSubject(p.Plugin), "$SRV.*", "$SRV.*."+durable, "$SRV.*."+durable+".*"),
	}
}

// Config returns the permissions as a part of nats-server's configuration, for an
// external server or cluster on which the bot has the account bot.
func (p Permissions) Config(bot string) string {
	quoted := func(indent string, subjects []string, format string) string {
		var b strings.Builder
		for _, s := range subjects {
			fmt.Fprintf(&b, indent+format+"\n", strconv.Quote(s))
		}
		return b.String()
	}
	user := p.User()
	plain := slices.DeleteFunc(slices.Clone(p.Publish), func(s string) bool { return slices.Contains(p.Batches, s) })
	return strings.NewReplacer(
		"PLUGIN", streams.Durable(p.Plugin), "BOT", bot,
		"PASSWORD", "$PASSWORD_OF_"+strings.ToUpper(strings.ReplaceAll(p.Plugin, "-", "_")),
		"  IMPORTED\n", quoted("      ", p.Publish, "{ service: { account: "+bot+", subject: %s } }")+
			quoted("      ", p.Subscribe, "{ stream: { account: "+bot+", subject: %s } }"),
		"  EXPORTED\n", quoted("      ", plain, "{ service: %s }")+quoted("      ", p.Batches, "{ service: %s, response_type: stream }")+quoted("      ", p.Subscribe, "{ stream: %s }"),
		"  PUBLISHED\n", quoted("          ", user.Publish, "%s"), "  DENIED\n", quoted("          ", user.DenyPublish, "%s"),
		"  HEARD\n", quoted("          ", user.Subscribe, "%s"),
	).Replace(`# The account of the plugin, and what the bot's account BOT has to share with it. Two
# plugins share the exports of BOT: write each of them once. The password is taken
# from the server's environment.
accounts {
  PLUGIN {
    users: [ { user: "PLUGIN", password: PASSWORD, permissions: {
      publish: { allow: [
  PUBLISHED
      ], deny: [
  DENIED
      ] }
      subscribe: { allow: [
  HEARD
      ] }
    } } ]
    imports: [
  IMPORTED
    ]
  }
  BOT {
    exports: [
  EXPORTED
    ]
  }
}
`)
}
