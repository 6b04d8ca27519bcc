package streams

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rosey-bot/rosey/event"
)

// Durable is the name of a plugin's durable consumers, and of its user where the
// plugin has credentials of its own.
func Durable(plugin string) string { return "plugin-" + plugin }

// Registrations is the KV bucket of what plugins say of themselves.
const Registrations = "plugins"

// readable are the streams whose events a plugin may have its durable read: those
// of requests are a record for the operator.
var readable = []string{Cytube, Plugin, Platform}

// Readable reports whether a stream is one whose events a plugin may have its
// durable read: one that holds no requests.
func Readable(stream string) bool { return slices.Contains(readable, stream) }

// Permissions are what a plugin with credentials of its own may do. It has a NATS
// account of its own, which has nothing in it but what is passed on to and from the
// bot's: so a reply goes nowhere but to who asked, whatever the request says, and
// nobody hears another's replies.
type Permissions struct {
	Plugin string
	// Publish are the subjects that are passed on to the bot's account.
	Publish []string
	// Batches are those of Publish that are answered with any number of messages.
	Batches []string
	// Hear are the subjects that are passed on from the bot's account.
	Hear []string
}

// PluginPermissions are what a plugin with credentials of its own may do, and
// nothing else: publish its own events and what is to be said, ask the database
// and other plugins, answer requests, read with its own durable, and register
// itself. It makes no consumer and no timer, since a consumer can be told to
// deliver to any subject, and a schedule likewise: the Warden makes them for it.
func PluginPermissions(plugin string) Permissions {
	durable := Durable(plugin)
	p := Permissions{
		Plugin: plugin,
		Publish: []string{
			event.EventSubject(plugin), event.EventSubject(plugin, ">"),
			event.SubjectSendChat, event.SubjectSendPM, event.SubjectSendEmote,
			event.RequestSubject("*"), event.RequestSubject("*", ">"),
			event.AllDatabase,
			inboxes, // replies to whoever asks
			kvSubject(Registrations, plugin),
			kvSubject(claimsBucket, "*"),
			wardenSubject(plugin, "*"),
			"$JS.API.INFO", apiStream("INFO", kvStream(Registrations)), apiStream("INFO", kvStream(claimsBucket)),
			apiStream("MSG.GET", kvStream(Registrations)), // by which some clients read a bucket
		},
		// Registrations, and events that have to be looked at again, are read with
		// no consumer.
		Batches: []string{
			"$JS.API.DIRECT.GET." + kvStream(Registrations), "$JS.API.DIRECT.GET." + kvStream(Registrations) + ".>",
			"$JS.API.DIRECT.GET." + Cytube, "$JS.API.DIRECT.GET." + Plugin,
		},
		Hear: []string{event.RequestSubject(plugin), event.RequestSubject(plugin, ">"), RestartSubject(plugin), "$SRV.>"},
	}
	for _, stream := range readable {
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

// inboxes are where replies go. In the account of a plugin there are none but its
// own.
const inboxes = "_INBOX.>"

func apiStream(verb, stream string) string { return "$JS.API.STREAM." + verb + "." + stream }

func kvStream(bucket string) string { return "KV_" + bucket }

func kvSubject(bucket, key string) string { return "$KV." + bucket + "." + key }

// RestartSubject is where every running instance of a plugin is told to start
// over. No stream captures it.
func RestartSubject(plugin string) string { return "rosey.plugin." + plugin + ".restart" }

// user are the permissions of the plugin's user in its account. They add to the
// account that what it may not do is refused, where it would lead nowhere.
func (p Permissions) user() *server.Permissions {
	durable := Durable(p.Plugin)
	own := []string{event.RequestSubject(p.Plugin), event.RequestSubject(p.Plugin, ">")}
	return &server.Permissions{
		// What it would ask itself would come from its own account and the bot's.
		Publish: &server.SubjectPermission{Allow: append(slices.Clone(p.Publish), whoAmI), Deny: own},
		Subscribe: &server.SubjectPermission{
			Allow: append(own, inboxes, RestartSubject(p.Plugin), "$SRV.*", "$SRV.*."+durable, "$SRV.*."+durable+".*"),
		},
	}
}

// apply passes on from account to account what is permitted.
func (p Permissions) apply(own, bot *server.Account) error {
	for _, subject := range p.Publish {
		responds := server.Singleton
		if slices.Contains(p.Batches, subject) {
			responds = server.Streamed
		}
		if err := bot.AddServiceExportWithResponse(subject, responds, nil); err != nil {
			return fmt.Errorf("pass on %s: %w", subject, err)
		}
		if err := own.AddServiceImport(bot, subject, subject); err != nil {
			return fmt.Errorf("pass on %s: %w", subject, err)
		}
	}
	for _, subject := range p.Hear {
		if err := bot.AddStreamExport(subject, nil); err != nil {
			return fmt.Errorf("pass on %s: %w", subject, err)
		}
		if err := own.AddStreamImport(bot, subject, ""); err != nil {
			return fmt.Errorf("pass on %s: %w", subject, err)
		}
	}
	return nil
}

// Config is the permissions as part of a nats-server's configuration, for an
// external server or cluster whose account bot is the bot's.
func (p Permissions) Config(bot string) string {
	quoted := func(indent string, subjects []string, format string) string {
		var b strings.Builder
		for _, s := range subjects {
			fmt.Fprintf(&b, indent+format+"\n", strconv.Quote(s))
		}
		return b.String()
	}
	user := p.user()
	plain := slices.DeleteFunc(slices.Clone(p.Publish), func(s string) bool { return slices.Contains(p.Batches, s) })
	return strings.NewReplacer(
		"PLUGIN", Durable(p.Plugin), "BOT", bot,
		"PASSWORD", "$PASSWORD_OF_"+strings.ToUpper(strings.ReplaceAll(p.Plugin, "-", "_")),
		"  IMPORTED\n", quoted("      ", p.Publish, "{ service: { account: "+bot+", subject: %s } }")+
			quoted("      ", p.Hear, "{ stream: { account: "+bot+", subject: %s } }"),
		"  EXPORTED\n", quoted("      ", plain, "{ service: %s }")+quoted("      ", p.Batches, "{ service: %s, response_type: stream }")+quoted("      ", p.Hear, "{ stream: %s }"),
		"  PUBLISHED\n", quoted("          ", user.Publish.Allow, "%s"), "  DENIED\n", quoted("          ", user.Publish.Deny, "%s"),
		"  HEARD\n", quoted("          ", user.Subscribe.Allow, "%s"),
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
