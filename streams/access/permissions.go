package access

import (
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/streams/jsapi"
	"github.com/rosey-bot/rosey/streams/tracing"
)

// Permissions are what a plugin with credentials of its own may do. It has a NATS
// account of its own, which shares nothing with the bot's account but the services
// below. The server maps each of them, and each reply: whatever a request says, its
// reply reaches the requester alone, and no inbox of the bot's account can be heard or
// published to.
type Permissions struct {
	Plugin string
	// Capabilities are what an operator lets the plugin do.
	Capabilities event.Capabilities
	// Publish are the subjects in the plugin's account that the server maps to the
	// gateway's; see GatewaySubject. Which of them the plugin may use, follows from the
	// capabilities.
	Publish []string
	// Services are JetStream's API and the Provisioner's, by their own subjects.
	Services []string
	// StreamedServices are those of Services that get any number of replies.
	StreamedServices []string
	// ServiceExports are the subjects in the bot's account that the server maps to the plugin's
	// account, each with its subject there; see Mapped.
	ServiceExports []ServiceExport
	// StreamExports are subjects of messages without a reply, which the bot's account exports
	// as streams.
	StreamExports []string
}

// ServiceExport is a service of a plugin.
type ServiceExport struct {
	Subject string // of requests in the bot's account, and for the plugin
	Export  string // the subject that the plugin's account exports
	Many    bool   // whether a request gets several replies
}

// PluginPermissions returns all that a plugin with credentials of its own may do:
// publish its own events, what its capabilities allow of sends and requests,
// answer requests, read with its own durables, and register itself. It creates no
// consumer and no timer, since a consumer can be told to deliver to any subject, and a
// schedule likewise: the Provisioner creates them for it. It reads events by its
// durables alone.
func PluginPermissions(plugin string, may event.Capabilities) Permissions {
	registrations := jsapi.BucketStream(streams.Registrations)
	request := event.RequestSubject(plugin)
	p := Permissions{
		Plugin: plugin, Capabilities: may,
		Publish: append(alwaysPublished(plugin),
			event.AllSends, event.RequestSubject("*"), event.RequestSubject("*", ">"), event.AllDatabase),
		Services: []string{
			provisionSubject(plugin, "*"),
			"$JS.API.INFO", apiStream("INFO", registrations), apiStream("INFO", jsapi.BucketStream(tracing.SpanClaims)),
			apiStream("MSG.GET", registrations), // by which some clients read a bucket
			settingsInfo, settingsGet(plugin), settingsGet(plugin + ".*"), settingsGet(event.SharedTexts), settingsGet(event.SharedTexts + ".*"),
		},
		// A bucket is read without a consumer; events are not.
		StreamedServices: []string{"$JS.API.DIRECT.GET." + registrations, "$JS.API.DIRECT.GET." + registrations + ".>"},
		// An export by the requests' own subject would, with the import of others'
		// requests, look like a cycle to the server.
		ServiceExports: []ServiceExport{
			{Subject: request, Export: "rosey.answer"},
			{Subject: request + ".>", Export: "rosey.answer.>"},
			{Subject: "$SRV.>", Export: "$SRV.>", Many: true},
		},
		StreamExports: []string{streams.RestartSubject(plugin)},
	}
	for _, stream := range streams.ReadableStreams() {
		p.Services = append(p.Services, apiStream("INFO", stream))
		for _, durable := range []string{streams.Durable(plugin), streams.PastDurable(plugin)} {
			p.Services = append(p.Services, "$JS.API.CONSUMER.INFO."+stream+"."+durable, "$JS.ACK."+stream+"."+durable+".>")
			p.StreamedServices = append(p.StreamedServices, "$JS.API.CONSUMER.MSG.NEXT."+stream+"."+durable)
		}
	}
	p.Services = append(p.Services, p.StreamedServices...)
	return p
}

// alwaysPublished are the subjects that a plugin may publish on whatever its capabilities.
func alwaysPublished(plugin string) []string {
	return []string{
		event.EventSubject(plugin), event.EventSubject(plugin, ">"),
		kvSubject(streams.Registrations, plugin),
		kvSubject(tracing.SpanClaims, "*"),
	}
}

// Mapped reports whether the plugin's account maps the exported subject to Subject.
func (a ServiceExport) Mapped() bool { return a.Export != a.Subject }

func apiStream(verb, stream string) string { return "$JS.API.STREAM." + verb + "." + stream }

// settingsInfo is the subject by which the bucket of settings is found.
var settingsInfo = apiStream("INFO", jsapi.BucketStream(streams.PluginSettings))

// settingsGet is the subject by which a key of the bucket of settings is read.
func settingsGet(key string) string {
	return "$JS.API.DIRECT.GET." + jsapi.BucketStream(streams.PluginSettings) + "." + kvSubject(streams.PluginSettings, key)
}

func kvSubject(bucket, key string) string { return "$KV." + bucket + "." + key }

// gatewayRoot begins the subjects of the Gateway.
const gatewayRoot = "rosey.gateway."

// GatewaySubject is the subject in the bot's account to which the server maps what a
// plugin publishes on a subject in its own account.
func GatewaySubject(plugin, subject string) string { return gatewayRoot + plugin + "." + subject }

// UserPermissions are the subjects that the plugin's user may use in its account, and
// to reply to what it receives. They add to what the account shares that the rest is
// refused with an error, instead of leading nowhere.
type UserPermissions struct{ Publish, DenyPublish, Subscribe []string }

// User returns the permissions of the plugin's user in its account.
func (p Permissions) User() UserPermissions {
	durable := streams.Durable(p.Plugin)
	own := []string{event.RequestSubject(p.Plugin), event.RequestSubject(p.Plugin, ">")}
	allow, deny := p.Capabilities.Subjects()
	return UserPermissions{
		Publish:     slices.Concat(alwaysPublished(p.Plugin), allow, p.Services, []string{jsapi.UserInfoSubject}),
		DenyPublish: append(deny, own...), // a request to itself would arrive twice
		Subscribe:   append(slices.Clone(own), "_INBOX.>", streams.RestartSubject(p.Plugin), "$SRV.*", "$SRV.*."+durable, "$SRV.*."+durable+".*"),
	}
}

// Config returns the permissions as a part of nats-server's configuration, for an
// external server or cluster on which the bot has the account bot.
func (p Permissions) Config(bot string) string {
	var b strings.Builder
	err := configuration.Execute(&b, map[string]any{
		"Account": streams.Durable(p.Plugin), "Bot": bot, "P": p, "User": p.User(),
		"Password": "$PASSWORD_OF_" + strings.ToUpper(strings.ReplaceAll(p.Plugin, "-", "_")),
	})
	if err != nil {
		panic(err) // the template fits its data
	}
	return b.String()
}

var configuration = template.Must(template.New("").Funcs(template.FuncMap{
	"quote":   strconv.Quote,
	"gateway": func(p Permissions, subject string) string { return strconv.Quote(GatewaySubject(p.Plugin, subject)) },
	"many": func(yes bool) string {
		if yes {
			return ", response_type: stream"
		}
		return ""
	},
	"batch": func(p Permissions, subject string) bool { return slices.Contains(p.StreamedServices, subject) },
}).Parse(`# The account of the plugin, and what the bot's account {{.Bot}} has to share with it. Two
# plugins share the exports of {{.Bot}}: write each of them once. The password is taken
# from the server's environment.
accounts {
  {{.Account}} {
    users: [ { user: {{quote .Account}}, password: {{.Password}}, permissions: {
      publish: { allow: [
{{range .User.Publish}}          {{quote .}}
{{end}}      ], deny: [
{{range .User.DenyPublish}}          {{quote .}}
{{end}}      ] }
      subscribe: { allow: [
{{range .User.Subscribe}}          {{quote .}}
{{end}}      ] }
      allow_responses: true
    } } ]
    mappings: {
{{range .P.ServiceExports}}{{if .Mapped}}      {{quote .Export}}: {{quote .Subject}}
{{end}}{{end}}    }
    imports: [
{{range .P.Publish}}      { service: { account: {{$.Bot}}, subject: {{gateway $.P .}} }, to: {{quote .}} }
{{end}}{{range .P.Services}}      { service: { account: {{$.Bot}}, subject: {{quote .}} } }
{{end}}{{range .P.StreamExports}}      { stream: { account: {{$.Bot}}, subject: {{quote .}} } }
{{end}}    ]
    exports: [
{{range .P.ServiceExports}}      { service: {{quote .Export}}, accounts: [{{$.Bot}}]{{many .Many}} }
{{end}}    ]
  }
  {{.Bot}} {
    exports: [
{{range .P.Publish}}      { service: {{gateway $.P .}} }
{{end}}{{range .P.Services}}      { service: {{quote .}}{{many (batch $.P .)}} }
{{end}}{{range .P.StreamExports}}      { stream: {{quote .}} }
{{end}}    ]
    imports: [
{{range .P.ServiceExports}}      { service: { account: {{$.Account}}, subject: {{quote .Export}} }, to: {{quote .Subject}} }
{{end}}    ]
  }
}
`))
